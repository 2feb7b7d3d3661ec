// Licensed under Apache-2.0.
//
// Small tools of the sequences of kernels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "each.cuh"

// Returns the first error of a sequence of launches.
#define MMWSSS_TRY(call)                       \
  do {                                         \
    const auto error = (call);                 \
    if (error != cudaSuccess) return error;    \
  } while (false)

namespace mmwsss::gpu {

// Cuts one allocation into arrays. From a null pointer it only counts bytes.
class Workspace {
 public:
  explicit Workspace(void* memory) : memory_(static_cast<char*>(memory)) {}

  template <typename T>
  T* take(int64_t count) {
    const size_t start = bytes_;
    bytes_ += (static_cast<size_t>(count) * sizeof(T) + kAlign - 1) / kAlign * kAlign;
    return memory_ ? reinterpret_cast<T*>(memory_ + start) : nullptr;
  }
  size_t bytes() const { return bytes_; }

 private:
  static constexpr size_t kAlign = 256;
  char* memory_;
  size_t bytes_ = 0;
};

struct RowColumn {
  int64_t row;
  int64_t column;
};

// Rows of `count` >= 1 columns. Finds the row of an element with a product in
// place of a division, which is a subroutine of a hundred instructions.
class Columns {
 public:
  Columns(int64_t count)  // NOLINT: stands for a number
      : count_(count), inverse_(~uint64_t{0} / static_cast<uint64_t>(count)) {}

  MMWSSS_HD operator int64_t() const { return count_; }  // NOLINT

  MMWSSS_HD RowColumn split(int64_t i) const {
    // The inverse is too small by less than 1 / 2^64 or equal to that: the
    // estimate is right or one too small, for every i.
    const uint64_t n = static_cast<uint64_t>(i);
    int64_t row = static_cast<int64_t>(high_product(n, inverse_));
    int64_t column = i - row * count_;
    const bool next = column >= count_;
    row += next;
    column -= next ? count_ : 0;
    return {row, column};
  }

 private:
  MMWSSS_HD static uint64_t high_product(uint64_t a, uint64_t b) {
#ifdef __CUDA_ARCH__
    return __umul64hi(a, b);
#else
    return static_cast<uint64_t>((static_cast<unsigned __int128>(a) * b) >> 64);
#endif
  }

  int64_t count_;
  uint64_t inverse_;
};

MMWSSS_HD int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace mmwsss::gpu
