// Licensed under Apache-2.0.
#include "lattice_build.cuh"

#include "lattice_launch.hpp"

namespace mmwsss::gpu {

size_t lattice_build_bytes(const LatticeSize& size) {
  return build_buffers(size, nullptr).bytes;
}

cudaError_t lattice_build_vertices(const float* features, const LatticeSize& size,
                                   float* slice_weights, void* workspace,
                                   int* sorted, cudaStream_t stream) {
  BuildBuffers buffers = build_buffers(size, workspace);
  MMWSSS_TRY(build_vertices(features, size, buffers, slice_weights, stream));
  *sorted = buffers.sort.current;
  return cudaSuccess;
}

cudaError_t lattice_build_rest(const LatticeSize& size, int sorted, void* workspace,
                               const LatticeOutputs& out, cudaStream_t stream) {
  BuildBuffers buffers = build_buffers(size, workspace);
  buffers.sort.current = sorted;
  return build_lattice(size, buffers, out, stream);
}

}  // namespace mmwsss::gpu
