// Licensed under Apache-2.0.
//
// Softmax of short rows whose width is a multiple of eight.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu_vectors.hpp"
#include "vector_exp.hpp"

namespace mmwsss::cpu {

// Eight lanes first, then the lanes in order: the same bits everywhere.
template <typename T, typename F>
T reduce_row(const T* row, int64_t width, const F& f) {
  T lanes[kLanes];
  for (int i = 0; i < kLanes; ++i) lanes[i] = row[i];
  for (int64_t c = kLanes; c < width; c += kLanes) {
    for (int i = 0; i < kLanes; ++i) lanes[i] = f(lanes[i], row[c + i]);
  }
  T result = lanes[0];
  for (int i = 1; i < kLanes; ++i) result = f(result, lanes[i]);
  return result;
}

// In place on n rows, one after the other.
template <typename T>
void softmax_rows(T* rows, int64_t n, int64_t width) {
  for (int64_t i = 0; i < n; ++i) {
    T* row = rows + i * width;
    const T top =
        reduce_row(row, width, [](T a, T b) { return a < b ? b : a; });
    for (int64_t c = 0; c < width; ++c) row[c] -= top;
  }
  for (int64_t c = 0; c < n * width; ++c) rows[c] = exp_nonpositive(rows[c]);
  for (int64_t i = 0; i < n; ++i) {
    T* row = rows + i * width;
    const T sum = reduce_row(row, width, [](T a, T b) { return a + b; });
    const T factor = T(1) / sum;
    for (int64_t c = 0; c < width; ++c) row[c] *= factor;
  }
}

}  // namespace mmwsss::cpu
