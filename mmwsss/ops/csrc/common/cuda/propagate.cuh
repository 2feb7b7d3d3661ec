// Licensed under Apache-2.0.
//
// Weighted sums over the neighbours of each pixel, again and again. A thread
// keeps one pixel of a few channels in registers: neighbouring threads read
// neighbouring weights and map values, each weight once for all its channels.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "each.cuh"
#include "par_launchers.hpp"

namespace mmwsss {

constexpr int kChunk = 128;  // neighbours that travel with one launch
constexpr int kRegisterChannels = 8;

// Offsets as kernel arguments: the same for all threads, nothing to copy.
struct Offsets {
  int count;
  int y[kChunk], x[kChunk];
};

MMWSSS_HD int clamp_to(int value, int size) {
  return value < 0 ? 0 : (value < size ? value : size - 1);
}

// One pixel x C channels: the sum over a chunk of neighbours from `first` on,
// added to those before.
template <typename T, int C>
struct WeightedSums {
  const T* weights;
  const T* from;
  T* to;
  MapSize size;
  int blocks, first;
  Offsets offsets;

  MMWSSS_HD void operator()(int64_t i) const {
    const int pixels = size.height * size.width;
    const int plane = static_cast<int>(i / pixels);  // (batch, block of channels)
    const int pixel = static_cast<int>(i - static_cast<int64_t>(plane) * pixels);
    const int y = pixel / size.width, x = pixel - y * size.width;
    const int64_t batch = plane / blocks, channel = plane % blocks * C;
    const T* weight = weights + (batch * size.neighbours + first) * pixels + pixel;
    const int64_t start = (batch * size.channels + channel) * pixels;
    // The last block may hold fewer channels: it reads its last one again.
    const int last = static_cast<int>(size.channels - channel) - 1;
    int64_t channel_start[C];
    T sums[C];
    for (int c = 0; c < C; ++c) {
      channel_start[c] = start + static_cast<int64_t>(c < last ? c : last) * pixels;
      sums[c] = first == 0 ? T(0) : to[channel_start[c] + pixel];
    }
    for (int k = 0; k < offsets.count; ++k) {
      const T w = weight[static_cast<int64_t>(k) * pixels];
      const T* source = from + clamp_to(y + offsets.y[k], size.height) * size.width +
                        clamp_to(x + offsets.x[k], size.width);
      for (int c = 0; c < C; ++c) sums[c] += w * source[channel_start[c]];
    }
    for (int c = 0; c < C; ++c)
      if (c <= last) to[channel_start[c] + pixel] = sums[c];
  }
};

// Offsets clamped to the image (beyond it the border repeats), in chunks.
inline std::vector<Offsets> offset_chunks(const std::vector<int64_t>& yx,
                                          const MapSize& size) {
  std::vector<Offsets> chunks;
  for (size_t k = 0; k < yx.size() / 2; ++k) {
    if (k % kChunk == 0) chunks.push_back({});
    Offsets& chunk = chunks.back();
    const int64_t height = size.height, width = size.width;
    const int64_t y = std::min(std::max(yx[2 * k], 1 - height), height - 1);
    const int64_t x = std::min(std::max(yx[2 * k + 1], 1 - width), width - 1);
    chunk.y[chunk.count] = static_cast<int>(y);
    chunk.x[chunk.count++] = static_cast<int>(x);
  }
  return chunks;
}

template <typename T, int C = kRegisterChannels>
cudaError_t propagate_step(const T* weights, const T* from, T* to,
                           const MapSize& size, const std::vector<Offsets>& chunks,
                           int channels_each, cudaStream_t stream) {
  if constexpr (C > 1)
    if (channels_each < C)
      return propagate_step<T, C - 1>(weights, from, to, size, chunks,
                                      channels_each, stream);
  const int64_t pixels = static_cast<int64_t>(size.height) * size.width;
  const int blocks = static_cast<int>((size.channels + C - 1) / C);
  cudaError_t error = cudaSuccess;
  for (size_t i = 0; i < chunks.size() && error == cudaSuccess; ++i) {
    const int first = static_cast<int>(i) * kChunk;
    error = each(size.batch * blocks * pixels, stream,
                 WeightedSums<T, C>{weights, from, to, size, blocks, first,
                                    chunks[i]});
  }
  return error;
}

template <typename T>
cudaError_t propagate(const T* weights, const T* maps, T* scratch, T* result,
                      const MapSize& size, const std::vector<int64_t>& offsets,
                      int64_t num_iters, cudaStream_t stream) {
  const auto chunks = offset_chunks(offsets, size);
  // Blocks of about the same size: 21 channels are 3 x 7.
  const int64_t blocks = (size.channels + kRegisterChannels - 1) / kRegisterChannels;
  const int channels_each = static_cast<int>((size.channels + blocks - 1) / blocks);
  cudaError_t error = cudaSuccess;
  for (int64_t left = num_iters - 1; left >= 0 && error == cudaSuccess; --left) {
    T* to = left % 2 == 0 ? result : scratch;
    error = propagate_step(weights, maps, to, size, chunks, channels_each, stream);
    maps = to;
  }
  return error;
}

}  // namespace mmwsss
