// Licensed under Apache-2.0.
//
// Building the lattice on a GPU: the algorithm of `_fallback/build.py`. An entry
// is a (vertex of the simplex, point) pair, number k * points + point; points are
// the pixels of an image and its origin, if that takes part.
#pragma once

#include <cmath>
#include <cstdint>

#include "lattice_view.hpp"
#include "each.cuh"
#include "lattice_keys.cuh"
#include "primitives.cuh"
#include "workspace.cuh"

namespace mmwsss::gpu {

constexpr int64_t kFanIn = 64;  // of the reduction to the bounds

// Memory of a build; all of it in one allocation, the layout at its start.
struct BuildBuffers {
  LatticeLayout* layout;
  int32_t* bounds;        // (2 d + 1, points), see PointBounds; then the vertex ids
  int32_t* fewer_bounds;  // the same, reduced
  float* weights;         // (d + 1, points), barycentric
  SortBuffers sort;
  void* temp;
  size_t temp_bytes;
  size_t bytes;  // of everything

  int32_t* ids() const { return bounds; }
  uint64_t* unique() const { return sort.keys[1 - sort.current]; }
};

// --- steps ---------------------------------------------------------------------
// 1 where another vertex begins among the sorted keys, except the first.
struct HeadFlags {
  const uint64_t* keys;
  int32_t* flags;

  MMWSSS_HD void operator()(int64_t i) const {
    flags[i] = i > 0 && keys[i] != keys[i - 1];
  }
};

struct CountVertices {
  const int32_t* last_id;
  LatticeLayout* layout;

  MMWSSS_HD void operator()(int64_t) const {
    layout->vertices = int64_t{*last_id} + 1;
  }
};

// Sorted entry i, and where vertex i begins if there is none of that number.
struct Assemble {
  const LatticeLayout* layout;
  const uint64_t* keys;
  const int32_t* entries;
  const int32_t* ids;
  const float* weights;
  int64_t num_entries;
  Columns num_points;
  Columns points;  // of an image
  int64_t pixels;  // of an image
  int axes;
  uint64_t* unique;
  LatticeOutputs out;

  MMWSSS_HD void operator()(int64_t i) const {
    const int32_t id = ids[i];
    const int32_t entry = entries[i];
    const RowColumn corner = num_points.split(entry);
    const RowColumn at = points.split(corner.column);
    const bool origin = at.column == pixels;  // its entry is the last pixel's
    const int64_t pixel = at.row * pixels + at.column - (origin ? 1 : 0);
    if (!origin) out.vertices[pixel * axes + corner.row] = id;
    out.splat_pixels[i] = static_cast<int32_t>(pixel);
    out.splat_weights[i] = weights[entry];
    if (i == 0 || id != ids[i - 1]) {
      out.splat_offsets[id] = static_cast<int32_t>(i);
      unique[id] = keys[i];
    }
    const int32_t end = static_cast<int32_t>(num_entries);
    if (i >= layout->vertices && i < out.rows) out.splat_offsets[i] = end;
    if (i == 0) out.splat_offsets[out.rows] = end;
  }
};

// Both neighbours of each vertex along each axis: axis, vertex, side.
struct Neighbours {
  const LatticeLayout* layout;
  const uint64_t* unique;
  int64_t rows;
  Columns columns;  // rows + 1
  int axes;
  int32_t* out;

  MMWSSS_HD void operator()(int64_t i) const {
    const RowColumn at = columns.split(i >> 1);
    const int64_t vertices = layout->vertices;
    out[i] = static_cast<int32_t>(rows);
    if (at.column >= vertices) return;
    const uint64_t step = layout->stride[at.row] * static_cast<uint64_t>(axes) -
                          layout->stride_sum;
    const uint64_t key = unique[at.column];
    const uint64_t wanted = (i & 1) == 0 ? key + step : key - step;
    int64_t first = 0;
    for (int64_t left = vertices; left > 0;) {
      const int64_t half = left >> 1;
      const bool below = unique[first + half] < wanted;
      first = below ? first + half + 1 : first;
      left = below ? left - half - 1 : half;
    }
    if (first < vertices && unique[first] == wanted) {
      out[i] = static_cast<int32_t>(first);
    }
  }
};

// --- sequences -----------------------------------------------------------------
// Buffers in `memory`; with a null pointer only `bytes` is of use.
inline BuildBuffers build_buffers(const LatticeSize& size, void* memory) {
  const int64_t points = size.num_points();
  const int64_t entries = size.entries();
  const int64_t rows = 2 * size.dim + 1;
  BuildBuffers buffers{};
  Workspace workspace(memory);
  buffers.layout = workspace.take<LatticeLayout>(1);
  buffers.bounds = workspace.take<int32_t>(rows * points);
  buffers.fewer_bounds = workspace.take<int32_t>(
      rows * (ceil_divide(points, kFanIn) + ceil_divide(points, kFanIn * kFanIn)));
  buffers.weights = workspace.take<float>(entries);
  for (int side = 0; side < 2; ++side) {
    buffers.sort.keys[side] = workspace.take<uint64_t>(entries);
    buffers.sort.entries[side] = workspace.take<int32_t>(entries);
  }
  size_t sort_bytes = 0;
  size_t sum_bytes = 0;
  sort_pairs(nullptr, sort_bytes, buffers.sort, entries, kKeyBits, nullptr);
  inclusive_sum(nullptr, sum_bytes, buffers.bounds, entries, nullptr);
  buffers.temp_bytes = sort_bytes > sum_bytes ? sort_bytes : sum_bytes;
  buffers.temp = workspace.take<char>(static_cast<int64_t>(buffers.temp_bytes));
  buffers.bytes = workspace.bytes();
  return buffers;
}

// Minima of the rows of `bounds`; `result` points to one for each row.
inline cudaError_t reduce_bounds(const LatticeSize& size,
                                 const BuildBuffers& buffers,
                                 const int32_t** result, cudaStream_t stream) {
  const int64_t rows = 2 * size.dim + 1;
  const int32_t* in = buffers.bounds;
  // Two places in turn: what is read isn't written.
  int32_t* out = buffers.fewer_bounds;
  int32_t* other = out + rows * ceil_divide(size.num_points(), kFanIn);
  for (int64_t n = size.num_points(); n > 1;) {
    const int64_t m = ceil_divide(n, kFanIn);
    MMWSSS_TRY(each(rows * m, stream, RowMinima{in, out, n, m}));
    int32_t* written = out;
    out = other;
    other = written;
    in = written;
    n = m;
  }
  *result = in;
  return cudaSuccess;
}

template <int kDim>
cudaError_t sort_entries(const float* features, const LatticeSize& size,
                         BuildBuffers& buffers, float* slice_weights,
                         cudaStream_t stream) {
  const int64_t points = size.num_points();
  const PointSimplex<kDim> simplex_of{features, size.pixels, size.points(), size.dim,
                                      ElevationScales(size.dim)};
  const float scale = static_cast<float>(1.0 / (1.0 + std::ldexp(1.0, -size.dim)));
  SortBuffers& sort = buffers.sort;
  const int32_t* bounds = nullptr;
  MMWSSS_TRY(each(points, stream,
                  PointBounds<kDim>{simplex_of, points, buffers.bounds}));
  MMWSSS_TRY(reduce_bounds(size, buffers, &bounds, stream));
  MMWSSS_TRY(each(1, stream, MakeLayout{bounds, size.batch, size.dim, scale,
                                        buffers.layout}));
  MMWSSS_TRY(each(points, stream,
                  PointEntries<kDim>{simplex_of, points, buffers.layout,
                                     sort.keys[sort.current],
                                     sort.entries[sort.current], buffers.weights,
                                     slice_weights}));
  return sort_pairs(buffers.temp, buffers.temp_bytes, sort, size.entries(), kKeyBits,
                    stream);
}

// First half: afterwards the layout holds the number of vertices.
inline cudaError_t build_vertices(const float* features, const LatticeSize& size,
                                  BuildBuffers& buffers, float* slice_weights,
                                  cudaStream_t stream) {
  const auto sorting = size.dim == 2   ? sort_entries<2>
                       : size.dim == 5 ? sort_entries<5>
                                       : sort_entries<0>;
  const int64_t entries = size.entries();
  int32_t* ids = buffers.ids();
  MMWSSS_TRY(sorting(features, size, buffers, slice_weights, stream));
  MMWSSS_TRY(each(entries, stream,
                  HeadFlags{buffers.sort.keys[buffers.sort.current], ids}));
  MMWSSS_TRY(inclusive_sum(buffers.temp, buffers.temp_bytes, ids, entries, stream));
  return each(1, stream, CountVertices{ids + entries - 1, buffers.layout});
}

// Second half: everything but the slice weights, which are there.
inline cudaError_t build_lattice(const LatticeSize& size,
                                 const BuildBuffers& buffers,
                                 const LatticeOutputs& out, cudaStream_t stream) {
  const SortBuffers& sort = buffers.sort;
  const int axes = size.dim + 1;
  MMWSSS_TRY(each(size.entries(), stream,
                  Assemble{buffers.layout, sort.keys[sort.current],
                           sort.entries[sort.current], buffers.ids(),
                           buffers.weights, size.entries(), size.num_points(),
                           size.points(), size.pixels, axes, buffers.unique(), out}));
  return each(2 * axes * (out.rows + 1), stream,
              Neighbours{buffers.layout, buffers.unique(), out.rows, out.rows + 1, axes,
                         out.neighbours});
}

}  // namespace mmwsss::gpu
