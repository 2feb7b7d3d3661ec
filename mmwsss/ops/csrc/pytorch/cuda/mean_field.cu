// Licensed under Apache-2.0.
#include "mean_field.cuh"

#include "lattice_launch.hpp"

namespace mmwsss::gpu {

template <typename T>
size_t mean_field_bytes(const MeanFieldSize& size, const std::vector<Term<T>>& terms) {
  return mean_field_buffers<T>(size, terms, nullptr).bytes;
}

template <typename T>
cudaError_t mean_field_maps(const MeanFieldSize& size,
                            const std::vector<Term<T>>& terms, const T* unary,
                            const T* log_count, void* workspace, T* maps,
                            cudaStream_t stream) {
  const auto buffers = mean_field_buffers<T>(size, terms, workspace);
  return mean_field<T>(size, terms, unary, log_count, buffers, maps, stream);
}

#define MMWSSS_INSTANTIATE(T)                                                   \
  template size_t mean_field_bytes<T>(const MeanFieldSize&,                     \
                                      const std::vector<Term<T>>&);             \
  template cudaError_t mean_field_maps<T>(                                      \
      const MeanFieldSize&, const std::vector<Term<T>>&, const T*, const T*,    \
      void*, T*, cudaStream_t);
MMWSSS_INSTANTIATE(float)
MMWSSS_INSTANTIATE(double)
#undef MMWSSS_INSTANTIATE

}  // namespace mmwsss::gpu
