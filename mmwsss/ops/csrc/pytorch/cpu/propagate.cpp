// Licensed under Apache-2.0.
//
// Weighted sums over the neighbours of each pixel, again and again. The maps
// lie in two padded buffers that change places; a block of channels x pixels is
// summed in registers, so that each weight is loaded once for several channels.
#include "operators.hpp"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <vector>

#include "pad_rows.hpp"
#include "vectors.hpp"

namespace mmwsss::cpu {
namespace {

constexpr int kBlock = 4;  // channels that share a loaded weight
constexpr int kTile = 64;  // pixels whose weights stay in the first cache
constexpr int kGroup = 12;  // channels whose rows stay in the second cache

// One row of `channels` planes: weighted sums of `from`, written to `to`.
template <typename T>
struct Row {
  const T* weights;  // of neighbour 0; neighbour k is `weight_stride` further
  int64_t weight_stride;
  const T* from;  // plane 0; neighbour k of pixel x is at positions[k] + x
  int64_t from_plane;
  const int64_t* positions;
  int64_t neighbours;
  T* to;
  int64_t to_plane;
  int64_t width, channels;
};

// C channels x N vectors from pixel x on.
template <typename V, int C, int N, typename T>
MMWSSS_INLINE void sum_block(const Row<T>& row, int64_t x) {
  constexpr int kLanes = sizeof(V) / sizeof(T);
  V sums[C][N];
  for (int c = 0; c < C; ++c)
    for (int n = 0; n < N; ++n) sums[c][n] = V{};
  for (int64_t k = 0; k < row.neighbours; ++k) {
    V weights[N];
    for (int n = 0; n < N; ++n) {
      const T* weight = row.weights + k * row.weight_stride + x + n * kLanes;
      load(weights[n], weight);
      __builtin_prefetch(weight + row.width, 0, 2);  // below: K strided rows
    }
    const T* from = row.from + row.positions[k] + x;
    for (int c = 0; c < C; ++c) {
      for (int n = 0; n < N; ++n) {
        V value;
        load(value, from + c * row.from_plane + n * kLanes);
        sums[c][n] += weights[n] * value;
      }
    }
  }
  for (int c = 0; c < C; ++c)
    for (int n = 0; n < N; ++n)
      store(row.to + c * row.to_plane + x + n * kLanes, sums[c][n]);
}

// C channels of the whole row. The last vector may overlap the one before.
template <int C, typename T>
MMWSSS_INLINE void sum_channels(const Row<T>& row) {
  using V = typename VectorOf<T>::type;
  constexpr int kLanes = sizeof(V) / sizeof(T);
  int64_t x = 0;
  for (; x + 2 * kLanes <= row.width; x += 2 * kLanes)
    sum_block<V, C, 2>(row, x);
  for (; x + kLanes <= row.width; x += kLanes) sum_block<V, C, 1>(row, x);
  if (x < row.width && row.width >= kLanes)
    sum_block<V, C, 1>(row, row.width - kLanes);
  else
    for (; x < row.width; ++x) sum_block<T, C, 1>(row, x);
}

template <typename T>
MMWSSS_INLINE void sum_row(Row<T> row) {
  int64_t blocks = (row.channels + kBlock - 1) / kBlock;
  for (int64_t left = row.channels; left > 0; --blocks) {
    const int64_t count = (left + blocks - 1) / blocks;  // 21: 4 4 4 3 3 3
    switch (count) {
      case 1: sum_channels<1>(row); break;
      case 2: sum_channels<2>(row); break;
      case 3: sum_channels<3>(row); break;
      default: sum_channels<kBlock>(row);
    }
    row.from += count * row.from_plane;
    row.to += count * row.to_plane;
    left -= count;
  }
}

// A tile at a time: its weights are copied together for all blocks of channels.
template <typename T>
MMWSSS_INLINE void sum_tiles(const Row<T>& row, T* tile) {
  for (int64_t x = 0; x < row.width; x += kTile) {
    Row<T> part = row;
    part.width = std::min<int64_t>(kTile, row.width - x);
    part.from += x;
    part.to += x;
    part.weights = tile;
    part.weight_stride = kTile;
    for (int64_t k = 0; k < row.neighbours; ++k) {
      const T* weights = row.weights + k * row.weight_stride + x;
      std::copy(weights, weights + part.width, tile + k * kTile);
    }
    sum_row(part);
  }
}

// Channels of one image that are walked together, in two padded buffers.
template <typename T>
class Group {
 public:
  // buffers: 2 * channels padded planes.
  Group(const Neighbours& neighbours, int64_t channels, T* buffers)
      : neighbours_(neighbours), size_(neighbours.size()), channels_(channels),
        from_(buffers), to_(buffers + channels * size_.plane()) {}

  // weights (K, H, W), maps and result (channels, H, W).
  void propagate(const T* weights, const T* maps, T* result, int64_t num_iters) {
    pad_rows(maps, channels_, size_, from_);
    for (int64_t i = 1; i < num_iters; ++i) {
      step(weights, to_ + size_.pad, size_);
      std::swap(from_, to_);
    }
    step(weights, result, {size_.height, size_.width, 0});
  }

 private:
  void step(const T* weights, T* to, const PaddedSize& to_size) {
    const int64_t work = size_.width * neighbours_.count() * channels_;
    const int64_t grain = at::internal::GRAIN_SIZE / work + 1;
    at::parallel_for(0, size_.height, grain, [&](int64_t y, int64_t end) {
      std::vector<T> tile(channels_ > kBlock ? neighbours_.count() * kTile : 0);
      for (; y < end; ++y) step_row(weights, to, to_size, y, tile);
    });
  }

  void step_row(const T* weights, T* to, const PaddedSize& to_size, int64_t y,
                std::vector<T>& tile) {
    const std::vector<int64_t> positions = neighbours_.positions(y);
    T* to_row = to + y * to_size.stride();
    const Row<T> row{weights + y * size_.width, size_.height * size_.width,
                     from_, size_.plane(), positions.data(),
                     neighbours_.count(), to_row, to_size.plane(),
                     size_.width, channels_};
    with_wide_vectors([&] {
      tile.empty() ? sum_row(row) : sum_tiles(row, tile.data());
    });
    for (int64_t c = 0; c < channels_; ++c)
      pad_row(to_row + c * to_size.plane(), size_.width, to_size.pad);
  }

  const Neighbours& neighbours_;
  const PaddedSize size_;
  const int64_t channels_;
  T *from_, *to_;
};

template <typename T>
void propagate(const Tensor& weights, const Tensor& maps, const Tensor& result,
               const Neighbours& neighbours, int64_t num_iters) {
  const int64_t channels = maps.size(1), pixels = maps.size(2) * maps.size(3);
  const int64_t groups = (channels + kGroup - 1) / kGroup;
  const int64_t most = (channels + groups - 1) / groups;
  Tensor buffers = at::empty({2, most, neighbours.size().plane()}, maps.options());
  for (int64_t b = 0; b < maps.size(0); ++b) {
    for (int64_t c = 0; c < channels; c += most) {
      const int64_t count = std::min(most, channels - c);
      const int64_t start = (b * channels + c) * pixels;
      Group<T>(neighbours, count, buffers.data_ptr<T>())
          .propagate(weights.const_data_ptr<T>() + b * weights.size(1) * pixels,
                     maps.const_data_ptr<T>() + start,
                     result.data_ptr<T>() + start, num_iters);
    }
  }
}

}  // namespace
}  // namespace mmwsss::cpu

Tensor propagate_cpu(const Tensor& weights, const Tensor& maps,
                     at::IntArrayRef offsets, int64_t num_iters) {
  TORCH_CHECK(weights.is_contiguous() && maps.is_contiguous(),
              "propagate: tensors must be contiguous");
  TORCH_CHECK(num_iters >= 1 && weights.size(1) * 2 == (int64_t)offsets.size(),
              "propagate: weights and offsets don't fit together");
  TORCH_CHECK(weights.size(0) == maps.size(0) && weights.size(2) == maps.size(2) &&
                  weights.size(3) == maps.size(3),
              "propagate: weights and maps of different sizes");
  const mmwsss::cpu::Neighbours neighbours(offsets.vec(), maps.size(2), maps.size(3));
  Tensor result = at::empty_like(maps);
  AT_DISPATCH_FLOATING_TYPES(maps.scalar_type(), "propagate", [&] {
    mmwsss::cpu::propagate<scalar_t>(weights, maps, result, neighbours, num_iters);
  });
  return result;
}

REGISTER_DEVICE_IMPL(mmwsss_propagate, CPU, propagate_cpu);
