// Licensed under Apache-2.0.
//
// Filtered tables of a lattice: what the filter and the mean field share.
#pragma once

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "lattice_steps.hpp"

namespace mmwsss::cpu {

constexpr int64_t kGrain = 1 << 10;  // vertices or pixels of a task

// Six contiguous tensors of one lattice.
inline LatticeView view_lattice(const at::Tensor* tensors) {
  for (int i = 0; i < 6; ++i) {
    const auto type = i == 1 || i == 3 ? at::kFloat : at::kInt;
    TORCH_CHECK(tensors[i].is_contiguous() && tensors[i].scalar_type() == type,
                "a lattice needs contiguous int32 and float32 tensors");
  }
  LatticeView view{};
  view.vertices = tensors[0].const_data_ptr<int32_t>();
  view.slice_weights = tensors[1].const_data_ptr<float>();
  view.splat_pixels = tensors[2].const_data_ptr<int32_t>();
  view.splat_weights = tensors[3].const_data_ptr<float>();
  view.splat_offsets = tensors[4].const_data_ptr<int32_t>();
  view.neighbours = tensors[5].const_data_ptr<int32_t>();
  view.count = static_cast<int>(tensors[0].size(1));
  view.num_pixels = tensors[0].size(0);
  view.missing = tensors[4].size(0) - 1;
  const int32_t* begin = view.splat_offsets;
  const int32_t entries = static_cast<int32_t>(tensors[2].numel());
  view.num_found =
      std::lower_bound(begin, begin + view.missing, entries) - begin;
  return view;
}

// f(begin, end) over 0..n in parallel, with wide vectors.
template <typename F>
void parallel_ranges(int64_t n, const F& f) {
  at::parallel_for(0, n, kGrain, [&](int64_t begin, int64_t end) {
    with_wide_vectors([&] { f(begin, end); });
  });
}

// Channels are filtered in blocks of some octets.
struct Block {
  int64_t first;
  int octets;
  int64_t width() const { return octets * kLanes; }
};

// Blocks of almost the same width, none wider than the registers.
inline std::vector<Block> channel_blocks(int64_t channels) {
  const int64_t octets = (channels + kLanes - 1) / kLanes;
  const int64_t count = (octets + kMaxOctets - 1) / kMaxOctets;
  std::vector<Block> blocks;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = octets * i / count, end = octets * (i + 1) / count;
    blocks.push_back({begin * kLanes, static_cast<int>(end - begin)});
  }
  return blocks;
}

// A table (M + 1, width) whose row M is 0.
inline at::Tensor empty_table(const LatticeView& lattice, int64_t width,
                              const at::TensorOptions& options) {
  at::Tensor table = at::empty({lattice.missing + 1, width}, options);
  table[lattice.missing].zero_();
  return table;
}

// Splats rows that are `stride` apart and blurs, reverse: last axis first.
// The result is in `table`, `other` is overwritten; row M of both must be 0.
template <typename T>
void fill_table(const LatticeView& lattice, int octets, const T* rows,
                int64_t stride, bool reverse, T* table, T* other) {
  const int64_t n = lattice.num_found;
  if (lattice.count % 2 == 1) std::swap(table, other);
  with_octets(octets, [&](auto width) {
    parallel_ranges(n, [&](int64_t begin, int64_t end) {
      splat<T, width>(lattice, rows, stride, table, begin, end);
    });
    for (int j = 0; j < lattice.count; ++j) {
      const int axis = reverse ? lattice.count - 1 - j : j;
      parallel_ranges(n, [&](int64_t begin, int64_t end) {
        blur<T, width>(lattice, axis, table, other, begin, end);
      });
      std::swap(table, other);
    }
  });
}

}  // namespace mmwsss::cpu
