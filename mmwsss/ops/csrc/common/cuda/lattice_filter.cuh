// Licensed under Apache-2.0.
//
// Splat, blur and slice on a GPU. Rows of values and of tables lie one after
// the other, so that neighbouring threads read neighbouring channels.
#pragma once

#include "lattice_view.hpp"
#include "each.cuh"
#include "workspace.cuh"

namespace mmwsss::gpu {

// The splat is a sum over rows of very different lengths: one entry in noise,
// thousands on a plain wall. It is cut into chunks of as many entries: a row
// within a chunk is done; what crosses a border leaves a sum on each side.
constexpr int kChunk = 64;
constexpr int kAhead = 8;  // entries that are loaded before any is added
static_assert(kChunk % kAhead == 0, "chunks hold whole steps");

// Memory of a filter of C channels, for one lattice.
template <typename T>
struct FilterBuffers {
  int32_t* chunk_rows;  // row that each chunk begins in
  T* heads;             // (chunks, C), of the row that came in at the left
  T* tails;             // (chunks, C), of the row that goes on at the right
  T* tables[2];         // (M, C)
};

inline int64_t num_chunks(const LatticeView& lattice) {
  return ceil_divide(lattice.entries, kChunk);
}

// --- steps ---------------------------------------------------------------------
struct ChunkRows {
  const int32_t* offsets;
  int64_t rows;
  int32_t* chunk_rows;

  MMWSSS_HD void operator()(int64_t i) const {
    // The last row that begins at the chunk's first entry or before it.
    int64_t first = 0;
    for (int64_t left = rows; left > 0;) {
      const int64_t half = left >> 1;
      const bool before = offsets[first + half] <= i * kChunk;
      first = before ? first + half + 1 : first;
      left = before ? left - half - 1 : half;
    }
    chunk_rows[i] = static_cast<int32_t>(first - 1);
  }
};

template <typename T>
struct SplatChunks {
  LatticeView lattice;
  const T* values;  // (N, C)
  Columns channels;
  int64_t entries;
  FilterBuffers<T> buffers;

  MMWSSS_HD void operator()(int64_t i) const {
    const RowColumn at = channels.split(i);
    const int64_t begin = at.row * kChunk;
    const int64_t stop = begin + kChunk < entries ? begin + kChunk : entries;
    const T* column = values + at.column;
    int64_t row = buffers.chunk_rows[at.row];
    int64_t end = lattice.splat_offsets[row + 1];
    bool whole = lattice.splat_offsets[row] == begin;
    T sum = 0;
    for (int64_t e = begin; e < stop; e += kAhead) {
      T terms[kAhead];
      for (int j = 0; j < kAhead; ++j) {
        const int64_t entry = e + j < stop ? e + j : stop - 1;
        terms[j] = static_cast<T>(lattice.splat_weights[entry]) *
                   column[lattice.splat_pixels[entry] * channels];
      }
      for (int j = 0; j < kAhead; ++j) {
        if (e + j >= stop) continue;
        if (e + j == end) {
          T* out = whole ? buffers.tables[0] + row * channels
                         : buffers.heads + at.row * channels;
          out[at.column] = sum;
          whole = true;
          sum = 0;
          ++row;
          end = lattice.splat_offsets[row + 1];
        }
        sum += terms[j];
      }
    }
    T* out = !whole        ? buffers.heads + at.row * channels
             : end == stop ? buffers.tables[0] + row * channels
                           : buffers.tails + at.row * channels;
    out[at.column] = sum;
  }
};

// Rows that cross the border of a chunk.
template <typename T>
struct SplatBorders {
  LatticeView lattice;
  Columns channels;
  int64_t entries;
  FilterBuffers<T> buffers;

  MMWSSS_HD void operator()(int64_t i) const {
    const RowColumn at = channels.split(i);
    const int64_t begin = lattice.splat_offsets[at.row];
    if (begin >= entries) return;  // no such vertex
    const int64_t first = begin / kChunk;
    const int64_t last = (lattice.splat_offsets[at.row + 1] - 1) / kChunk;
    if (first == last) return;
    T sum = buffers.tails[first * channels + at.column];
    for (int64_t k = first + 1; k <= last; ++k) {
      sum += buffers.heads[k * channels + at.column];
    }
    buffers.tables[0][i] = sum;
  }
};

template <typename T>
struct BlurAxis {
  LatticeView lattice;
  int axis;
  Columns channels;
  int64_t entries;
  const T* in;
  T* out;

  MMWSSS_HD void operator()(int64_t i) const {
    const RowColumn at = channels.split(i);
    if (lattice.splat_offsets[at.row] >= entries) return;  // no such vertex
    const int32_t* pair =
        lattice.neighbours + 2 * (axis * (lattice.rows + 1) + at.row);
    out[i] = in[i] + T(0.5) * (value(pair[0], at.column) + value(pair[1], at.column));
  }

  MMWSSS_HD T value(int64_t row, int64_t column) const {
    return row < lattice.rows ? in[row * channels + column] : T(0);
  }
};

// out = base + scale * slice; base and scale may be null.
template <typename T, int kAxes>
struct Slice {
  LatticeView lattice;
  Columns channels;
  const T* table;
  const T* base;   // (N, C)
  const T* scale;  // (C,)
  T* out;          // (N, C)

  MMWSSS_HD void operator()(int64_t i) const {
    const RowColumn at = channels.split(i);
    const int axes = kAxes > 0 ? kAxes : lattice.axes;
    const int32_t* vertices = lattice.vertices + at.row * axes;
    const float* weights = lattice.slice_weights + at.row * axes;
    T sum = 0;
    for (int k = 0; k < axes; ++k) {
      sum += static_cast<T>(weights[k]) * table[vertices[k] * channels + at.column];
    }
    if (scale) sum *= scale[at.column];
    out[i] = base ? base[i] + sum : sum;
  }
};

// --- sequences -----------------------------------------------------------------
// Largest of several lattices: what buffers must hold.
struct FilterSize {
  int64_t chunks = 0;
  int64_t rows = 0;

  void include(const LatticeView& lattice) {
    chunks = num_chunks(lattice) > chunks ? num_chunks(lattice) : chunks;
    rows = lattice.rows > rows ? lattice.rows : rows;
  }
};

// Without `chunk_rows`, which each lattice has its own of.
template <typename T>
FilterBuffers<T> take_filter(Workspace& workspace, const FilterSize& size,
                             int64_t channels) {
  FilterBuffers<T> buffers{};
  buffers.heads = workspace.take<T>(size.chunks * channels);
  buffers.tails = workspace.take<T>(size.chunks * channels);
  buffers.tables[0] = workspace.take<T>(size.rows * channels);
  buffers.tables[1] = workspace.take<T>(size.rows * channels);
  return buffers;
}

inline cudaError_t find_chunk_rows(const LatticeView& lattice, int32_t* chunk_rows,
                                   cudaStream_t stream) {
  return each(num_chunks(lattice), stream,
              ChunkRows{lattice.splat_offsets, lattice.rows, chunk_rows});
}

// Afterwards `*result` points to the blurred table.
template <typename T>
cudaError_t splat_and_blur(const LatticeView& lattice, const T* values,
                           int64_t channels, bool reverse,
                           const FilterBuffers<T>& buffers, const T** result,
                           cudaStream_t stream) {
  const int64_t entries = lattice.entries;
  const int64_t elements = lattice.rows * channels;
  MMWSSS_TRY(each(num_chunks(lattice) * channels, stream,
                  SplatChunks<T>{lattice, values, channels, entries, buffers}));
  MMWSSS_TRY(each(elements, stream,
                  SplatBorders<T>{lattice, channels, entries, buffers}));
  const T* in = buffers.tables[0];
  for (int step = 0; step < lattice.axes; ++step) {
    const int axis = reverse ? lattice.axes - 1 - step : step;
    T* out = buffers.tables[1 - step % 2];
    MMWSSS_TRY(each(elements, stream,
                    BlurAxis<T>{lattice, axis, channels, entries, in, out}));
    in = out;
  }
  *result = in;
  return cudaSuccess;
}

template <typename T>
cudaError_t slice(const LatticeView& lattice, const T* table, int64_t channels,
                  const T* base, const T* scale, T* out, cudaStream_t stream) {
  const int64_t elements = lattice.num_pixels * channels;
  switch (lattice.axes) {
    case 3:
      return each(elements, stream,
                  Slice<T, 3>{lattice, channels, table, base, scale, out});
    case 6:
      return each(elements, stream,
                  Slice<T, 6>{lattice, channels, table, base, scale, out});
    default:
      return each(elements, stream,
                  Slice<T, 0>{lattice, channels, table, base, scale, out});
  }
}

// Buffers in `memory`; with a null pointer only `*bytes` is of use.
template <typename T>
FilterBuffers<T> filter_buffers(const LatticeView& lattice, int64_t channels,
                                void* memory, size_t* bytes) {
  Workspace workspace(memory);
  FilterSize size;
  size.include(lattice);
  int32_t* chunk_rows = workspace.take<int32_t>(size.chunks);
  FilterBuffers<T> buffers = take_filter<T>(workspace, size, channels);
  buffers.chunk_rows = chunk_rows;
  *bytes = workspace.bytes();
  return buffers;
}

// values (N, C) -> out (N, C)
template <typename T>
cudaError_t filter(const LatticeView& lattice, const T* values, int64_t channels,
                   bool reverse, const FilterBuffers<T>& buffers, T* out,
                   cudaStream_t stream) {
  const T* table = nullptr;
  MMWSSS_TRY(find_chunk_rows(lattice, buffers.chunk_rows, stream));
  MMWSSS_TRY(splat_and_blur(lattice, values, channels, reverse, buffers, &table,
                            stream));
  return slice<T>(lattice, table, channels, nullptr, nullptr, out, stream);
}

}  // namespace mmwsss::gpu
