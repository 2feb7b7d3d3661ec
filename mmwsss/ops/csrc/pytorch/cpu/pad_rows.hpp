// Licensed under Apache-2.0.
//
// Copies planes into a padded buffer.
#pragma once

#include <ATen/Parallel.h>

#include "neighbours.hpp"

namespace mmwsss {

// from: planes of height x width; to: the same number of padded planes.
template <typename T>
void pad_rows(const T* from, int64_t planes, const PaddedSize& size, T* to) {
  const int64_t grain = at::internal::GRAIN_SIZE / size.stride() + 1;
  at::parallel_for(0, planes * size.height, grain, [&](int64_t y, int64_t end) {
    for (; y < end; ++y) {
      T* row = to + y * size.stride() + size.pad;
      std::copy_n(from + y * size.width, size.width, row);
      pad_row(row, size.width, size.pad);
    }
  });
}

}  // namespace mmwsss
