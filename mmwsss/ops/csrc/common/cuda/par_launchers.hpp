// Licensed under Apache-2.0.
//
// What the C++ side of PAR knows of the CUDA side: plain pointers on the device.
#pragma once

#include <cstdint>
#include <vector>

#ifndef MMWSSS_HD  // else `each.cuh` says what these are
#include <cuda_runtime_api.h>
#endif

namespace mmwsss {

constexpr int kMaxDilations = 128;  // fit into the arguments of a kernel

struct ImageSize {
  int64_t batch, channels;
  int height, width;
};

struct MapSize {
  int64_t batch, channels, neighbours;
  int height, width;
};

// image (B, C, H, W) -> affinity (B, K, H, W); inverse: room for (B, C, H, W).
template <typename T>
cudaError_t par_affinity(const T* image, T* inverse, T* affinity,
                         const ImageSize& size,
                         const std::vector<int64_t>& dilations, double w1,
                         double w2, cudaStream_t stream);

// weights (B, K, H, W), maps (B, C, H, W) -> result; scratch is as large as the
// result and isn't used for one iteration.
template <typename T>
cudaError_t propagate(const T* weights, const T* maps, T* scratch, T* result,
                      const MapSize& size, const std::vector<int64_t>& offsets,
                      int64_t num_iters, cudaStream_t stream);

}  // namespace mmwsss
