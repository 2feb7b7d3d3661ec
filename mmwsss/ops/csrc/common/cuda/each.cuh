// Licensed under Apache-2.0.
//
// The one place that launches kernels. A kernel is a functor: `f(i)` computes
// element i of the output alone, so that results are the same bit by bit in
// every run. Compiled without nvcc the same functors run in a loop on the CPU,
// which is how the tests check them where there is no GPU.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#include <cuda_runtime.h>
#define MMWSSS_HD __host__ __device__ __forceinline__
#else
#define MMWSSS_HD inline
using cudaStream_t = void*;
#endif

namespace mmwsss {

#ifdef __CUDACC__

constexpr int kThreads = 256;
constexpr int64_t kMaxBlocks = int64_t{1} << 30;

template <typename F>
__global__ void __launch_bounds__(kThreads) each_kernel(int64_t n, F f) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  for (; i < n; i += step) f(i);
}

// Runs f(0) ... f(n - 1) on the stream, in any order. Gives the launch's error.
template <typename F>
cudaError_t each(int64_t n, cudaStream_t stream, F f) {
  if (n <= 0) return cudaSuccess;
  const int64_t blocks = (n + kThreads - 1) / kThreads;
  const int grid = static_cast<int>(blocks < kMaxBlocks ? blocks : kMaxBlocks);
  each_kernel<<<grid, kThreads, 0, stream>>>(n, f);
  return cudaGetLastError();
}

#else

using cudaError_t = int;
constexpr cudaError_t cudaSuccess = 0;

template <typename F>
cudaError_t each(int64_t n, cudaStream_t, F f) {
  for (int64_t i = 0; i < n; ++i) f(i);
  return cudaSuccess;
}

#endif

}  // namespace mmwsss
