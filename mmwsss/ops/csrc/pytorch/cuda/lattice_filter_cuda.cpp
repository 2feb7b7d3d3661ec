// Licensed under Apache-2.0.
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "lattice_glue.hpp"
#include "lattice_launch.hpp"

namespace mmwsss::gpu {
namespace {

Tensor lattice_filter_cuda(const Tensor& vertices, const Tensor& slice_weights,
                           const Tensor& splat_pixels, const Tensor& splat_weights,
                           const Tensor& splat_offsets, const Tensor& neighbours,
                           const Tensor& given, bool reverse) {
  TORCH_CHECK(given.dim() == 2 && given.size(0) == vertices.size(0),
              "values must be (", vertices.size(0), ", C), got ", given.sizes());
  const c10::cuda::CUDAGuard guard(given.device());
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  const LatticeHolder holder({vertices, slice_weights, splat_pixels, splat_weights,
                              splat_offsets, neighbours});
  const LatticeView lattice = holder.view();
  const Tensor values = given.contiguous();
  const int64_t channels = values.size(1);
  Tensor out = at::empty(values.sizes(), values.options());
  if (out.numel() == 0) return out;
  with_scalar_of(values, [&](auto zero) {
    using T = decltype(zero);
    Tensor workspace = bytes_like(values, lattice_filter_bytes<T>(lattice, channels));
    C10_CUDA_CHECK(lattice_filter<T>(lattice, values.const_data_ptr<T>(), channels,
                                     reverse, workspace.mutable_data_ptr(),
                                     out.mutable_data_ptr<T>(), stream));
  });
  return out;
}

}  // namespace
}  // namespace mmwsss::gpu

REGISTER_DEVICE_IMPL(mmwsss_lattice_filter, CUDA, mmwsss::gpu::lattice_filter_cuda);
