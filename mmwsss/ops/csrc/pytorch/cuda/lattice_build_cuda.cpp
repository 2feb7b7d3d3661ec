// Licensed under Apache-2.0.
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "lattice_glue.hpp"
#include "lattice_launch.hpp"

namespace mmwsss::gpu {
namespace {

// Reads what the build found: the one wait for the GPU.
LatticeLayout read_layout(const Tensor& workspace) {
  const Tensor bytes = workspace.narrow(0, 0, sizeof(LatticeLayout)).cpu();
  LatticeLayout layout;
  std::memcpy(&layout, bytes.const_data_ptr<uint8_t>(), sizeof(layout));
  return layout;
}

void check_layout(const LatticeLayout& layout, const LatticeSize& size) {
  TORCH_CHECK_VALUE(layout.state != kTooLarge,
                    "the features are too large for float32: a coordinate of the "
                    "lattice is beyond 2^24. Use larger sigmas");
  if (layout.state != kTooWide) return;
  const at::IntArrayRef extents(layout.extent, size.dim);
  double bits = std::log2(static_cast<double>(size.batch));
  for (const int64_t extent : extents) bits += std::log2(static_cast<double>(extent));
  char rounded[32];
  std::snprintf(rounded, sizeof(rounded), "%.1f", bits);
  TORCH_CHECK_VALUE(false, "the lattice needs ", rounded,
                    " bits for its keys, 63 are there; coordinate ranges ", extents,
                    ", ", size.batch, " images. Use larger sigmas, fewer images or, "
                    "for features far from 0, pad_block=False");
}

Lattice lattice_build_cuda(const Tensor& given, bool exact_size, bool with_origin) {
  TORCH_CHECK(given.dim() == 3 && given.scalar_type() == at::kFloat,
              "features must be (B, d, P) float32");
  const LatticeSize size{given.size(0), given.size(2),
                         static_cast<int>(given.size(1)), with_origin};
  const int64_t entries = size.entries();
  TORCH_CHECK(size.dim >= 1 && size.dim <= kMaxLatticeDim && entries >= 1 &&
                  entries <= std::numeric_limits<int32_t>::max(),
              "features of this size aren't supported: ", given.sizes());
  const c10::cuda::CUDAGuard guard(given.device());
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  const Tensor features = given.contiguous();
  const auto index = features.options().dtype(at::kInt);
  const int64_t axes = size.dim + 1;

  Tensor workspace = bytes_like(features, lattice_build_bytes(size));
  Tensor slice_weights = at::empty({size.num_pixels(), axes}, features.options());
  int sorted = 0;
  C10_CUDA_CHECK(lattice_build_vertices(
      features.const_data_ptr<float>(), size, slice_weights.mutable_data_ptr<float>(),
      workspace.mutable_data_ptr(), &sorted, stream));
  int64_t rows = entries;
  if (exact_size) {
    const LatticeLayout layout = read_layout(workspace);
    check_layout(layout, size);
    rows = layout.vertices;
  }
  Tensor vertices = at::empty({size.num_pixels(), axes}, index);
  Tensor splat_pixels = at::empty({entries}, index);
  Tensor splat_weights = at::empty({entries}, features.options());
  Tensor splat_offsets = at::empty({rows + 1}, index);
  Tensor neighbours = at::empty({axes, rows + 1, 2}, index);
  const LatticeOutputs out{rows,
                           vertices.mutable_data_ptr<int32_t>(),
                           slice_weights.mutable_data_ptr<float>(),
                           splat_pixels.mutable_data_ptr<int32_t>(),
                           splat_weights.mutable_data_ptr<float>(),
                           splat_offsets.mutable_data_ptr<int32_t>(),
                           neighbours.mutable_data_ptr<int32_t>()};
  C10_CUDA_CHECK(
      lattice_build_rest(size, sorted, workspace.mutable_data_ptr(), out, stream));
  return {vertices,      slice_weights, splat_pixels,
          splat_weights, splat_offsets, neighbours};
}

}  // namespace
}  // namespace mmwsss::gpu

REGISTER_DEVICE_IMPL(mmwsss_lattice_build, CUDA, mmwsss::gpu::lattice_build_cuda);
