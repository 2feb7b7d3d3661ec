// Licensed under Apache-2.0.
//
// How the vertices of a lattice are packed into 64-bit keys.
#pragma once

#include <torch/types.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "simplex.hpp"

namespace mmwsss::cpu {

constexpr double kKeyBits = 63;
// Integers beyond aren't exact in float32.
constexpr float kLargestCoordinate = 1 << 24;

// Smallest and largest base coordinates.
struct Ranges {
  std::array<float, kMaxDim + 1> low, high;

  Ranges() {
    low.fill(std::numeric_limits<float>::infinity());
    high.fill(-std::numeric_limits<float>::infinity());
  }
  void add(int j, float value) {
    low[j] = std::min(low[j], value);
    high[j] = std::max(high[j], value);
  }
};

// Vertices are packed in a mixed radix with room for neighbours on both sides.
struct Packing {
  std::array<int64_t, kMaxDim> low{};          // of the coordinates
  std::array<int64_t, kMaxDim + 1> stride{};   // the last coordinate isn't packed
  int64_t image_stride = 0;
  int64_t total = 0;  // of the strides: one step of all coordinates
};

inline Packing pack(const Ranges& ranges, int dim, int64_t batch) {
  const int64_t count = dim + 1;
  Packing packing;
  std::vector<int64_t> extents(dim);
  double product = static_cast<double>(batch);
  for (int j = 0; j < dim; ++j) {
    const float largest = std::max(-ranges.low[j], ranges.high[j]);
    TORCH_CHECK_VALUE(largest * count < kLargestCoordinate,
                      "the features are too large for float32: a coordinate of "
                      "the lattice is ", largest * count, ". Use larger sigmas");
    packing.low[j] = (static_cast<int64_t>(ranges.low[j]) - 1) * count - dim;
    const int64_t high = static_cast<int64_t>(ranges.high[j]) * count + 2 * dim;
    extents[j] = high - packing.low[j] + 1;
    product *= static_cast<double>(extents[j]);
  }
  TORCH_CHECK_VALUE(std::log2(product) < kKeyBits, "the lattice needs ",
                    std::log2(product), " bits for its keys, 63 are there; "
                    "coordinate ranges ", at::IntArrayRef(extents), ", ", batch,
                    " images. Use larger sigmas, fewer images or, for features "
                    "far from 0, pad_block=False");
  int64_t stride = 1;
  for (int j = dim - 1; j >= 0; --j) {
    packing.stride[j] = stride;
    packing.total += stride;
    stride *= extents[j];
  }
  packing.image_stride = stride;
  return packing;
}

}  // namespace mmwsss::cpu
