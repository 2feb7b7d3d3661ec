// Licensed under Apache-2.0.
//
// What nvcc compiles, as the C++ compiler sees it; include it after a header of
// CUDA. Nothing here waits for the GPU. A C++ file that includes this must not
// include headers with kernels: without nvcc those stand for loops on the CPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lattice_view.hpp"

namespace mmwsss::gpu {

// Bytes of the workspace of a build; its start will hold the LatticeLayout.
size_t lattice_build_bytes(const LatticeSize& size);

// features (B, d, P) -> slice weights and, in the workspace, the vertices.
// `sorted` is for the second half.
cudaError_t lattice_build_vertices(const float* features, const LatticeSize& size,
                                   float* slice_weights, void* workspace,
                                   int* sorted, cudaStream_t stream);

cudaError_t lattice_build_rest(const LatticeSize& size, int sorted, void* workspace,
                               const LatticeOutputs& out, cudaStream_t stream);

template <typename T>
size_t lattice_filter_bytes(const LatticeView& lattice, int64_t channels);

template <typename T>
cudaError_t lattice_filter(const LatticeView& lattice, const T* values,
                           int64_t channels, bool reverse, void* workspace, T* out,
                           cudaStream_t stream);

template <typename T>
size_t mean_field_bytes(const MeanFieldSize& size, const std::vector<Term<T>>& terms);

// unary (B, n, P) -> maps (B, n, P); log_count may be null
template <typename T>
cudaError_t mean_field_maps(const MeanFieldSize& size,
                            const std::vector<Term<T>>& terms, const T* unary,
                            const T* log_count, void* workspace, T* maps,
                            cudaStream_t stream);

}  // namespace mmwsss::gpu
