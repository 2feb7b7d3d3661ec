// Licensed under Apache-2.0.
//
// Splat, blur and slice of some channels for a range of vertices or pixels;
// every sum is a gather in a fixed order.
#pragma once

#include <cstdint>

#include "cpu_vectors.hpp"

namespace mmwsss {

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

// table[v] = weighted sum of the rows of the vertex's pixels, `stride` apart.
template <typename T, int octets>
void splat(const LatticeView& lattice, const T* rows, int64_t stride, T* table,
           int64_t begin, int64_t end) {
  Row<T, octets> sum;
  for (int64_t v = begin; v < end; ++v) {
    sum.zero();
    for (int32_t e = lattice.splat_offsets[v]; e < lattice.splat_offsets[v + 1];
         ++e) {
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

}  // namespace mmwsss
