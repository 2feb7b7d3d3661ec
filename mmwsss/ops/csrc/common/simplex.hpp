// Licensed under Apache-2.0.
//
// The simplex of the permutohedral lattice around one pixel, in float32.
//
// Source: Adams, Baek, Davis (Eurographics 2010), sections 4.1 and 4.2. Every
// operation is rounded as in `_fallback/build.py`, in the same order: pixels on
// the border of two simplices must fall to the same side everywhere. Compile
// without contraction to fused multiply-add (-ffp-contract=off, --fmad=false).
#pragma once

#include <cmath>
#include <cstdint>

#include "host_device.hpp"

namespace mmwsss {

constexpr int kMaxDim = 16;

// Factors of the d features; computed once on the host, passed by value.
struct ElevationScales {
  float scale[kMaxDim];

  explicit ElevationScales(int dim) : scale{} {
    const double deviation =
        static_cast<float>((dim + 1) * std::sqrt(2.0 / 3.0));
    for (int j = 1; j <= dim; ++j) {
      const double product = static_cast<double>(j) * (j + 1);
      scale[j - 1] = static_cast<float>(deviation / std::sqrt(product));
    }
  }
};

// kDim is the number of features, or 0 for a number up to 16 known at run time.
template <int kDim>
struct Simplex {
  static constexpr int kCount = (kDim > 0 ? kDim : kMaxDim) + 1;
  float base[kCount];    // remainder-0 point divided by (d + 1): integers
  int slot[kCount];      // d - rank of each coordinate, in 0..d
  float weight[kCount];  // barycentric, of the vertices k = 0..d
};

// Nearest integer, halves to even.
MMWSSS_HD float round_half_even(float x) {
#ifdef __CUDA_ARCH__
  return rintf(x);
#else
  // Adding 1.5 * 2^23 leaves no room for a fraction; a call costs more.
  constexpr float kShift = 12582912.0f;
  return std::fabs(x) < 4194304.0f ? (x + kShift) - kShift : std::nearbyint(x);
#endif
}

// Coordinates (d + 1) on the hyperplane of sum 0. The pixel's features are
// `stride` apart: features[0], features[stride], ...
template <int kDim>
MMWSSS_HD void elevate(const float* features, int64_t stride,
                       const ElevationScales& scales, int dim_at_run_time,
                       float* elevated) {
  const int dim = kDim > 0 ? kDim : dim_at_run_time;
  float total = 0.0f;
  for (int j = dim; j > 0; --j) {
    const float scaled = features[(j - 1) * stride] * scales.scale[j - 1];
    elevated[j] = total - static_cast<float>(j) * scaled;
    total = total + scaled;
  }
  elevated[0] = total;
}

// Coordinates beyond 2^24 / (d + 1) aren't exact in float32 any more: such
// slots mean nothing, but stay in 0..d.
template <int kDim>
MMWSSS_HD void enclosing_simplex(const float* elevated, int dim_at_run_time,
                                 Simplex<kDim>& simplex) {
  const int dim = kDim > 0 ? kDim : dim_at_run_time;
  const int count = dim + 1;
  const float size = static_cast<float>(count);
  const float inverse = static_cast<float>(1.0 / count);
  float residual[Simplex<kDim>::kCount];
  int rank[Simplex<kDim>::kCount];
  float sum = 0.0f;
  for (int j = 0; j < count; ++j) {
    simplex.base[j] = round_half_even(elevated[j] * inverse);
    residual[j] = elevated[j] - simplex.base[j] * size;
    sum += simplex.base[j];
    rank[j] = 0;
  }
  for (int i = 0; i < dim; ++i) {
    for (int j = i + 1; j < count; ++j) {
      const int below = residual[i] < residual[j];  // ties: lower index first
      rank[i] += below;
      rank[j] += 1 - below;
    }
  }
  const float bound = 2.0f * size;
  const float clamped = sum < bound ? (sum > -bound ? sum : -bound) : bound;
  const int surplus = static_cast<int>(clamped);
  float ordered[Simplex<kDim>::kCount] = {};
  for (int j = 0; j < count; ++j) {
    const int place = rank[j] + surplus;
    const int wrap = (place < 0) - (place >= count);
    simplex.base[j] += static_cast<float>(wrap);
    const float offset = (elevated[j] - simplex.base[j] * size) * inverse;
    const int slot = dim - (place + wrap * count);
    simplex.slot[j] = slot < 0 ? 0 : slot > dim ? dim : slot;
    ordered[simplex.slot[j]] = offset;
  }
  simplex.weight[0] = ordered[0] + (1.0f - ordered[dim]);
  for (int k = 1; k < count; ++k) {
    simplex.weight[k] = ordered[k] - ordered[k - 1];
  }
}

}  // namespace mmwsss
