// Licensed under Apache-2.0.
//
// Splat, blur and slice of some channels for a range of vertices or pixels;
// every sum is a gather in a fixed order.
#pragma once

#include <algorithm>
#include <cstdint>

#include "rows.hpp"
#include "vectors.hpp"

namespace mmwsss::cpu {

// The tensors of a lattice; see `mmwsss/ops/lattice.py`.
struct LatticeView {
  const int32_t* vertices;
  const float* slice_weights;
  const int32_t* splat_pixels;
  const float* splat_weights;
  const int32_t* splat_offsets;
  const int32_t* neighbours;
  int count;          // d + 1
  int64_t num_pixels;
  int64_t missing;    // M: its row is 0
  int64_t num_found;  // vertices with pixels; those up to M have none
};

// Rows come from anywhere in a table larger than the caches; the processor
// looks ahead less far than this.
constexpr int64_t kAhead = 16;

template <typename T, int octets>
void prefetch(const T* row) {
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t c = 0; c < Row<T, octets>::kWidth; c += kLine) {
    __builtin_prefetch(row + c);
  }
}

// table[v] = weighted sum of the rows of the vertex's pixels, `stride` apart.
template <typename T, int octets>
void splat(const LatticeView& lattice, const T* rows, int64_t stride, T* table,
           int64_t begin, int64_t end) {
  const int32_t* offsets = lattice.splat_offsets;
  const int32_t last = offsets[end] - 1;
  Row<T, octets> sum;
  for (int64_t v = begin; v < end; ++v) {
    sum.zero();
    for (int32_t e = offsets[v]; e < offsets[v + 1]; ++e) {
      const int32_t later = std::min<int64_t>(e + kAhead, last);
      prefetch<T, octets>(rows + lattice.splat_pixels[later] * stride);
      sum.add_scaled(rows + lattice.splat_pixels[e] * stride,
                     static_cast<T>(lattice.splat_weights[e]));
    }
    sum.store(table + v * sum.kWidth);
  }
}

// to[v] = from[v] + 0.5 * (both neighbours along the axis).
template <typename T, int octets>
void blur(const LatticeView& lattice, int axis, const T* from, T* to,
          int64_t begin, int64_t end) {
  constexpr int64_t kWidth = Row<T, octets>::kWidth;
  const int32_t* pairs = lattice.neighbours + axis * (lattice.missing + 1) * 2;
  Row<T, octets> sum;
  for (int64_t v = begin; v < end; ++v) {
    const int32_t* later = pairs + 2 * std::min(v + kAhead, end - 1);
    prefetch<T, octets>(from + later[0] * kWidth);
    prefetch<T, octets>(from + later[1] * kWidth);
    sum.load(from + pairs[2 * v] * kWidth);
    sum.add(from + pairs[2 * v + 1] * kWidth);
    sum.scale(static_cast<T>(0.5));
    sum.add(from + v * kWidth);
    sum.store(to + v * kWidth);
  }
}

// sum += weighted sum of the rows of the pixel's vertices.
template <typename T, int octets>
void slice(const LatticeView& lattice, const T* table, int64_t pixel,
           Row<T, octets>& sum) {
  const int64_t begin = pixel * lattice.count;
  for (int64_t e = begin; e < begin + lattice.count; ++e) {
    const int64_t vertex = lattice.vertices[e];
    sum.add_scaled(table + vertex * sum.kWidth,
                   static_cast<T>(lattice.slice_weights[e]));
  }
}

}  // namespace mmwsss::cpu
