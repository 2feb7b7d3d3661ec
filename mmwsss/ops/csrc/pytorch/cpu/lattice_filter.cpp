// Licensed under Apache-2.0.
//
// Splat, blur and slice of (N, C) rows; see `_fallback/filter.py`.
#include <vector>

#include "../operators.hpp"
#include "lattice_tables.hpp"

namespace mmwsss::cpu {
namespace {

// Channels first .. first + width of all rows, the last ones padded by 0.
template <typename T>
Tensor padded_rows(const Tensor& values, int64_t first, int64_t width) {
  const int64_t channels = values.size(1);
  const int64_t given = std::min(width, channels - first);
  Tensor padded = at::empty({values.size(0), width}, values.options());
  const T* from = values.const_data_ptr<T>() + first;
  T* to = padded.data_ptr<T>();
  at::parallel_for(0, values.size(0), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::copy_n(from + i * channels, given, to + i * width);
      std::fill_n(to + i * width + given, width - given, T(0));
    }
  });
  return padded;
}

template <typename T>
void filter(const LatticeView& lattice, const Tensor& values, bool reverse,
            Tensor& out) {
  const int64_t channels = values.size(1);
  for (const Block& block : channel_blocks(channels)) {
    const int64_t given = std::min(channels - block.first, block.width());
    const bool whole = given == block.width();
    const Tensor rows =
        whole ? values : padded_rows<T>(values, block.first, block.width());
    const T* from = rows.const_data_ptr<T>() + (whole ? block.first : 0);
    Tensor table = empty_table(lattice, block.width(), values.options());
    Tensor other = empty_table(lattice, block.width(), values.options());
    T* filtered = table.data_ptr<T>();
    fill_table(lattice, block.octets, from, rows.size(1), reverse, filtered,
               other.data_ptr<T>());
    T* to = out.data_ptr<T>() + block.first;
    with_octets(block.octets, [&](auto width) {
      parallel_ranges(lattice.num_pixels, [&](int64_t begin, int64_t end) {
        Row<T, width> sum;
        for (int64_t i = begin; i < end; ++i) {
          sum.zero();
          slice<T, width>(lattice, filtered, i, sum);
          sum.store_first(to + i * channels, given);
        }
      });
    });
  }
}

}  // namespace
}  // namespace mmwsss::cpu

Tensor mmwsss_lattice_filter_cpu(const Tensor& vertices,
                                 const Tensor& slice_weights,
                                 const Tensor& splat_pixels,
                                 const Tensor& splat_weights,
                                 const Tensor& splat_offsets,
                                 const Tensor& neighbours, const Tensor& values,
                                 bool reverse) {
  const Tensor tensors[] = {vertices,      slice_weights, splat_pixels,
                            splat_weights, splat_offsets, neighbours};
  const mmwsss::cpu::LatticeView lattice = mmwsss::cpu::view_lattice(tensors);
  TORCH_CHECK(values.dim() == 2 && values.size(0) == lattice.num_pixels,
              "values must have a row for each pixel of the lattice");
  const Tensor rows = values.contiguous();
  Tensor out = at::empty_like(rows);
  if (rows.scalar_type() == at::kDouble) {
    mmwsss::cpu::filter<double>(lattice, rows, reverse, out);
  } else {
    mmwsss::cpu::filter<float>(lattice, rows, reverse, out);
  }
  return out;
}

REGISTER_DEVICE_IMPL(mmwsss_lattice_filter, CPU, mmwsss_lattice_filter_cpu);
