// Licensed under Apache-2.0.
//
// Neighbours of a pixel without branches: rows are stored with replicated
// columns on both sides; rows above and below are found by clamping.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace mmwsss {

// Planes of height x width pixels, each row with `pad` more on both sides.
struct PaddedSize {
  int64_t height, width, pad;

  int64_t stride() const { return width + 2 * pad; }
  int64_t plane() const { return height * stride(); }
};

// Offsets clamped to the image: beyond it, the border repeats anyway.
class Neighbours {
 public:
  // yx: y and x of the first neighbour, of the second one, ...
  Neighbours(const std::vector<int64_t>& yx, int64_t height, int64_t width)
      : size_{height, width, 0} {
    for (size_t k = 0; k + 1 < yx.size(); k += 2) {
      y_.push_back(std::clamp(yx[k], 1 - height, height - 1));
      x_.push_back(std::clamp(yx[k + 1], 1 - width, width - 1));
      size_.pad = std::max({size_.pad, x_.back(), -x_.back()});
    }
  }

  int64_t count() const { return static_cast<int64_t>(y_.size()); }
  const PaddedSize& size() const { return size_; }

  // Where in a padded plane the neighbours of pixel (y, 0) are.
  std::vector<int64_t> positions(int64_t y) const {
    std::vector<int64_t> result(y_.size());
    for (size_t k = 0; k < y_.size(); ++k) {
      const int64_t row = std::clamp<int64_t>(y + y_[k], 0, size_.height - 1);
      result[k] = row * size_.stride() + size_.pad + x_[k];
    }
    return result;
  }

 private:
  PaddedSize size_;
  std::vector<int64_t> y_, x_;
};

// Replicates the ends of a row; `row` points to its first pixel.
template <typename T>
void pad_row(T* row, int64_t width, int64_t pad) {
  std::fill(row - pad, row, row[0]);
  std::fill(row + width, row + width + pad, row[width - 1]);
}

}  // namespace mmwsss
