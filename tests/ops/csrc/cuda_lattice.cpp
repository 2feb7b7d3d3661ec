// Licensed under Apache-2.0.
//
// The CUDA sources of the lattice without nvcc: kernels are loops, cub is the
// standard library, everything else is what runs on a GPU. Called by ctypes.
#include "lattice_build.cu"
#include "lattice_filter.cu"
#include "mean_field.cu"

#define EXPORT extern "C" __attribute__((visibility("default")))

using namespace mmwsss::gpu;

// Numbers of a lattice: N, M, E, d + 1; its six tensors; weights and their kind.
constexpr int kViewSize = 12;

static LatticeView view(const int64_t* n) {
  return {n[0],
          n[1],
          n[2],
          static_cast<int>(n[3]),
          reinterpret_cast<const int32_t*>(n[4]),
          reinterpret_cast<const float*>(n[5]),
          reinterpret_cast<const int32_t*>(n[6]),
          reinterpret_cast<const float*>(n[7]),
          reinterpret_cast<const int32_t*>(n[8]),
          reinterpret_cast<const int32_t*>(n[9])};
}

// Batch, pixels of an image, d, whether with origins.
static LatticeSize lattice_size(const int64_t* n) {
  return {n[0], n[1], static_cast<int>(n[2]), n[3] != 0};
}

EXPORT size_t build_bytes(const int64_t* size) {
  return lattice_build_bytes(lattice_size(size));
}

EXPORT int build_start(const float* features, const int64_t* size,
                       float* slice_weights, void* workspace, int* sorted) {
  return lattice_build_vertices(features, lattice_size(size), slice_weights, workspace,
                                sorted, nullptr);
}

EXPORT int64_t layout_state(const LatticeLayout* layout) { return layout->state; }
EXPORT int64_t layout_vertices(const LatticeLayout* layout) {
  return layout->vertices;
}

// Of coordinate j: the smallest, and how many there is room for.
EXPORT void layout_range(const LatticeLayout* layout, int64_t j, int64_t* result) {
  result[0] = layout->low[j];
  result[1] = layout->extent[j];
}

EXPORT int build_finish(const int64_t* size, int sorted, void* workspace, int64_t rows,
                        int32_t* vertices, float* slice_weights,
                        int32_t* splat_pixels, float* splat_weights,
                        int32_t* splat_offsets, int32_t* neighbours) {
  return lattice_build_rest(lattice_size(size), sorted, workspace,
                            {rows, vertices, slice_weights, splat_pixels,
                             splat_weights, splat_offsets, neighbours},
                            nullptr);
}

template <typename T>
static std::vector<Term<T>> read_terms(const int64_t* numbers, int64_t count) {
  std::vector<Term<T>> terms;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t* n = numbers + kViewSize * i;
    terms.push_back({view(n), reinterpret_cast<const T*>(n[10]),
                     static_cast<CompatKind>(n[11])});
  }
  return terms;
}

#define EXPORT_FOR(T)                                                              \
  EXPORT size_t filter_bytes_##T(const int64_t* lattice, int64_t channels) {       \
    return lattice_filter_bytes<T>(view(lattice), channels);                       \
  }                                                                                \
  EXPORT int filter_##T(const int64_t* lattice, const T* values, int64_t channels, \
                        int reverse, void* workspace, T* out) {                    \
    return lattice_filter<T>(view(lattice), values, channels, reverse != 0,        \
                             workspace, out, nullptr);                             \
  }                                                                                \
  EXPORT size_t mean_field_bytes_##T(const int64_t* size, const int64_t* terms,    \
                                     int64_t count) {                              \
    return mean_field_bytes<T>({size[0], size[1], size[2], size[3]},               \
                               read_terms<T>(terms, count));                       \
  }                                                                                \
  EXPORT int mean_field_##T(const int64_t* size, const int64_t* terms,             \
                            int64_t count, const T* unary, const T* log_count,     \
                            void* workspace, T* maps) {                            \
    return mean_field_maps<T>({size[0], size[1], size[2], size[3]},                \
                              read_terms<T>(terms, count), unary, log_count,       \
                              workspace, maps, nullptr);                           \
  }
EXPORT_FOR(float)
EXPORT_FOR(double)

// Row and column of element i, as kernels find them.
EXPORT void split_element(int64_t i, int64_t columns, int64_t* result) {
  const RowColumn at = Columns(columns).split(i);
  result[0] = at.row;
  result[1] = at.column;
}
