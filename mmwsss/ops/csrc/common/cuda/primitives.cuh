// Licensed under Apache-2.0.
//
// Sorting and summing: cub on the GPU, the standard library without nvcc. The
// only file that includes cub, which is slow to compile.
#pragma once

#include <cstdint>

#include "each.cuh"

#ifdef __CUDACC__
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_scan.cuh>
#else
#include <algorithm>
#include <numeric>
#include <vector>
#endif

namespace mmwsss::gpu {

// Keys with their entries, twice: sorting goes back and forth.
struct SortBuffers {
  uint64_t* keys[2];
  int32_t* entries[2];
  int current = 0;  // which of the two is valid
};

#ifdef __CUDACC__

// Sorts by the lowest bits of the keys; equal keys stay in order. With `temp`
// null only sets `bytes`.
inline cudaError_t sort_pairs(void* temp, size_t& bytes, SortBuffers& buffers,
                              int64_t n, int bits, cudaStream_t stream) {
  const int now = buffers.current;
  cub::DoubleBuffer<uint64_t> keys(buffers.keys[now], buffers.keys[1 - now]);
  cub::DoubleBuffer<int32_t> entries(buffers.entries[now],
                                     buffers.entries[1 - now]);
  const cudaError_t error = cub::DeviceRadixSort::SortPairs(
      temp, bytes, keys, entries, static_cast<int>(n), 0, bits, stream);
  // Both change sides together.
  if (temp) buffers.current = keys.selector == 0 ? now : 1 - now;
  return error;
}

// Sums up to and including each entry, in place. With `temp` null only sets
// `bytes`.
inline cudaError_t inclusive_sum(void* temp, size_t& bytes, int32_t* values,
                                 int64_t n, cudaStream_t stream) {
  return cub::DeviceScan::InclusiveSum(temp, bytes, values, values,
                                       static_cast<int>(n), stream);
}

#else

inline cudaError_t sort_pairs(void* temp, size_t& bytes, SortBuffers& buffers,
                              int64_t n, int bits, cudaStream_t) {
  bytes = 1;
  if (temp == nullptr) return cudaSuccess;
  const int now = buffers.current;
  const uint64_t* keys = buffers.keys[now];
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [keys, shift = 64 - bits](int64_t a, int64_t b) {
                     return keys[a] << shift < keys[b] << shift;
                   });
  for (int64_t i = 0; i < n; ++i) {
    buffers.keys[1 - now][i] = keys[order[i]];
    buffers.entries[1 - now][i] = buffers.entries[now][order[i]];
  }
  buffers.current = 1 - now;
  return cudaSuccess;
}

inline cudaError_t inclusive_sum(void* temp, size_t& bytes, int32_t* values,
                                 int64_t n, cudaStream_t) {
  bytes = 1;
  if (temp) std::partial_sum(values, values + n, values);
  return cudaSuccess;
}

#endif

}  // namespace mmwsss::gpu
