// Licensed under Apache-2.0.
//
// Memory, device and stream for PAR on CUDA. Nothing here waits for the GPU.
#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <limits>

#include "../operators.hpp"
#include "par_launchers.hpp"

namespace {

void check_planes(const Tensor& maps) {
  TORCH_CHECK(maps.size(2) * maps.size(3) <= std::numeric_limits<int>::max(),
              "a plane may have 2^31 - 1 pixels on CUDA, got ", maps.sizes());
}

}  // namespace

Tensor par_affinity_cuda(const Tensor& image, at::IntArrayRef dilations, double w1,
                         double w2) {
  const c10::cuda::CUDAGuard guard(image.device());
  check_planes(image);
  TORCH_CHECK(image.is_contiguous(), "par_affinity: needs a contiguous image");
  TORCH_CHECK(!dilations.empty() && dilations.size() <= mmwsss::kMaxDilations,
              "par_affinity: 1 to ", mmwsss::kMaxDilations,
              " dilations on CUDA, got ", dilations.size());
  const mmwsss::ImageSize size{image.size(0), image.size(1),
                               static_cast<int>(image.size(2)),
                               static_cast<int>(image.size(3))};
  Tensor affinity = at::empty({size.batch, 8 * (int64_t)dilations.size(),
                               size.height, size.width}, image.options());
  Tensor inverse = at::empty_like(image);
  AT_DISPATCH_FLOATING_TYPES(image.scalar_type(), "par_affinity", [&] {
    C10_CUDA_CHECK(mmwsss::par_affinity(
        image.const_data_ptr<scalar_t>(), inverse.data_ptr<scalar_t>(),
        affinity.data_ptr<scalar_t>(), size, dilations.vec(), w1, w2,
        c10::cuda::getCurrentCUDAStream()));
  });
  return affinity;
}

Tensor propagate_cuda(const Tensor& weights, const Tensor& maps,
                      at::IntArrayRef offsets, int64_t num_iters) {
  const c10::cuda::CUDAGuard guard(maps.device());
  check_planes(maps);
  TORCH_CHECK(weights.is_contiguous() && maps.is_contiguous(),
              "propagate: tensors must be contiguous");
  TORCH_CHECK(num_iters >= 1 && weights.size(1) * 2 == (int64_t)offsets.size(),
              "propagate: weights and offsets don't fit together");
  const mmwsss::MapSize size{maps.size(0), maps.size(1), weights.size(1),
                             static_cast<int>(maps.size(2)),
                             static_cast<int>(maps.size(3))};
  Tensor result = at::empty_like(maps);
  Tensor scratch = num_iters > 1 ? at::empty_like(maps) : result;
  AT_DISPATCH_FLOATING_TYPES(maps.scalar_type(), "propagate", [&] {
    C10_CUDA_CHECK(mmwsss::propagate(
        weights.const_data_ptr<scalar_t>(), maps.const_data_ptr<scalar_t>(),
        scratch.data_ptr<scalar_t>(), result.data_ptr<scalar_t>(), size,
        offsets.vec(), num_iters, c10::cuda::getCurrentCUDAStream()));
  });
  return result;
}

REGISTER_DEVICE_IMPL(mmwsss_par_affinity, CUDA, par_affinity_cuda);
REGISTER_DEVICE_IMPL(mmwsss_propagate, CUDA, propagate_cuda);
