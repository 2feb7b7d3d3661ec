// Licensed under Apache-2.0.
#include "lattice_filter.cuh"

#include "lattice_launch.hpp"

namespace mmwsss::gpu {

template <typename T>
size_t lattice_filter_bytes(const LatticeView& lattice, int64_t channels) {
  size_t bytes = 0;
  filter_buffers<T>(lattice, channels, nullptr, &bytes);
  return bytes;
}

template <typename T>
cudaError_t lattice_filter(const LatticeView& lattice, const T* values,
                           int64_t channels, bool reverse, void* workspace, T* out,
                           cudaStream_t stream) {
  size_t bytes = 0;
  const auto buffers = filter_buffers<T>(lattice, channels, workspace, &bytes);
  return filter<T>(lattice, values, channels, reverse, buffers, out, stream);
}

#define MMWSSS_INSTANTIATE(T)                                                     \
  template size_t lattice_filter_bytes<T>(const LatticeView&, int64_t);           \
  template cudaError_t lattice_filter<T>(const LatticeView&, const T*, int64_t,   \
                                         bool, void*, T*, cudaStream_t);
MMWSSS_INSTANTIATE(float)
MMWSSS_INSTANTIATE(double)
#undef MMWSSS_INSTANTIATE

}  // namespace mmwsss::gpu
