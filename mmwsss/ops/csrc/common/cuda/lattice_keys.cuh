// Licensed under Apache-2.0.
//
// From the features of a pixel to the keys of the d + 1 vertices around it: the
// kernels of the first half of `lattice_build.cuh`.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "lattice_view.hpp"
#include "simplex.hpp"
#include "workspace.cuh"

namespace mmwsss::gpu {

static_assert(kMaxDim == kMaxLatticeDim, "one limit");

constexpr int kKeyBits = 63;
constexpr float kExactIntegers = 16777216.0f;  // 2^24
constexpr float kLargest = std::numeric_limits<float>::max();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// The simplex around a point: a pixel, or behind those of an image its origin.
// Features that can't be used count as 0.
template <int kDim>
struct PointSimplex {
  const float* features;  // (B, d, P)
  int64_t pixels;
  Columns points;
  int dim;
  ElevationScales scales;

  MMWSSS_HD int64_t operator()(int64_t i, Simplex<kDim>& simplex) const {
    const int count = (kDim > 0 ? kDim : dim) + 1;
    const RowColumn at = points.split(i);
    const bool origin = at.column == pixels;
    float elevated[Simplex<kDim>::kCount];
    int64_t state = kFits;
    if (!origin) {
      elevate<kDim>(features + at.row * (count - 1) * pixels + at.column, pixels,
                    scales, dim, elevated);
      for (int j = 0; j < count; ++j) {
        const float size = fabsf(elevated[j]);
        if (!(size < kExactIntegers) && state > kTooLarge) state = kTooLarge;
        if (!(size <= kLargest)) state = kNotFinite;
      }
    }
    if (origin || state != kFits) {
      for (int j = 0; j < count; ++j) elevated[j] = 0.0f;
    }
    enclosing_simplex<kDim>(elevated, dim, simplex);
    return state;
  }
};

// What a minimum is taken of, for each point: d coordinates, d coordinates with
// the sign changed, the state.
template <int kDim>
struct PointBounds {
  PointSimplex<kDim> simplex_of;
  int64_t num_points;
  int32_t* bounds;

  MMWSSS_HD void operator()(int64_t i) const {
    Simplex<kDim> simplex;
    const int64_t state = simplex_of(i, simplex);
    const int dim = kDim > 0 ? kDim : simplex_of.dim;
    for (int j = 0; j < dim; ++j) {
      const int32_t base = static_cast<int32_t>(simplex.base[j]);
      bounds[j * num_points + i] = base;
      bounds[(dim + j) * num_points + i] = -base;
    }
    bounds[2 * dim * num_points + i] = static_cast<int32_t>(state);
  }
};

// Rows of n entries -> rows of m minima.
struct RowMinima {
  const int32_t* in;
  int32_t* out;
  int64_t n;
  Columns m;

  MMWSSS_HD void operator()(int64_t i) const {
    const RowColumn at = m.split(i);
    const int32_t* row = in + at.row * n;
    int32_t least = row[at.column];
    for (int64_t j = at.column + m; j < n; j += m) {
      least = row[j] < least ? row[j] : least;
    }
    out[i] = least;
  }
};

// From the bounds to a mixed radix with room for the steps to the neighbours.
struct MakeLayout {
  const int32_t* bounds;  // (2 d + 1,)
  int64_t batch;
  int dim;
  float slice_scale;
  LatticeLayout* layout;

  MMWSSS_HD void operator()(int64_t) const {
    const int count = dim + 1;
    uint64_t total = 1;
    uint64_t sum = 0;
    bool fits = true;
    layout->stride[dim] = 0;
    for (int j = dim - 1; j >= 0; --j) {
      const int64_t low = (int64_t{bounds[j]} - 1) * count - dim;
      const int64_t high = -int64_t{bounds[dim + j]} * count + 2 * dim;
      layout->low[j] = low;
      layout->extent[j] = high - low + 1;
      layout->stride[j] = total;
      sum += total;
      total = times(total, static_cast<uint64_t>(high - low + 1), fits);
    }
    layout->image_stride = total;
    layout->stride_sum = sum;
    times(total, static_cast<uint64_t>(batch), fits);
    const int64_t worst = bounds[2 * dim];
    const int64_t state = worst != kFits ? worst : fits ? kFits : kTooWide;
    layout->state = state;
    layout->slice_scale = state == kFits ? slice_scale : kNaN;
  }

  MMWSSS_HD static uint64_t times(uint64_t a, uint64_t b, bool& fits) {
    constexpr uint64_t kLimit = (uint64_t{1} << kKeyBits) - 1;
    fits = fits && a <= kLimit / b;
    return a * b;  // wraps around where it doesn't fit
  }
};

// Keys, weights and numbers of a point's d + 1 entries. An origin has no mass.
template <int kDim>
struct PointEntries {
  PointSimplex<kDim> simplex_of;
  int64_t num_points;
  const LatticeLayout* layout;
  uint64_t* keys;
  int32_t* entries;
  float* weights;
  float* slice_weights;

  MMWSSS_HD void operator()(int64_t i) const {
    Simplex<kDim> simplex;
    simplex_of(i, simplex);
    const int dim = kDim > 0 ? kDim : simplex_of.dim;
    const uint64_t count = static_cast<uint64_t>(dim + 1);
    uint64_t by_slot[Simplex<kDim>::kCount];
    const RowColumn at = simplex_of.points.split(i);
    const bool origin = at.column == simplex_of.pixels;
    const int64_t pixel = at.row * simplex_of.pixels + at.column;
    uint64_t key = at.row * layout->image_stride;
    for (int j = 0; j <= dim; ++j) by_slot[simplex.slot[j]] = layout->stride[j];
    for (int j = 0; j < dim; ++j) {
      const int64_t base = static_cast<int64_t>(simplex.base[j]);
      const int64_t digit = base * (dim + 1) - layout->low[j];
      key += static_cast<uint64_t>(digit) * layout->stride[j];
    }
    for (int k = 0; k <= dim; ++k) {
      const int64_t entry = k * num_points + i;
      keys[entry] = key;
      entries[entry] = static_cast<int32_t>(entry);
      weights[entry] = origin ? 0.0f : simplex.weight[k];
      if (!origin) {
        const float weight = simplex.weight[k] * layout->slice_scale;
        slice_weights[pixel * (dim + 1) + k] = weight;
      }
      key += layout->stride_sum - count * by_slot[k];
    }
  }
};

}  // namespace mmwsss::gpu
