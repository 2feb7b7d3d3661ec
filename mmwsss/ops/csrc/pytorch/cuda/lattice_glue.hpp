// Licensed under Apache-2.0.
//
// From tensors to what the launchers take.
#pragma once

#include <array>

#include "lattice_view.hpp"
#include "operators.hpp"

namespace mmwsss::gpu {

// The six tensors of a lattice, kept alive while the view is in use. Sizes were
// checked where the lattice was built; here only what a kernel can't survive is.
class LatticeHolder {
 public:
  explicit LatticeHolder(std::array<Tensor, 6> tensors)
      : tensors_(std::move(tensors)) {
    for (Tensor& tensor : tensors_) {
      TORCH_CHECK(tensor.device() == tensors_[0].device(),
                  "a lattice must be on one device, got ", tensor.device(), " and ",
                  tensors_[0].device());
      tensor = tensor.contiguous();
    }
  }

  LatticeView view() const {
    const auto& [vertices, slice_weights, pixels, weights, offsets, neighbours] =
        tensors_;
    const int64_t axes = vertices.size(1);
    const int64_t rows = offsets.numel() - 1;
    TORCH_CHECK(slice_weights.numel() == vertices.numel() &&
                    pixels.numel() >= vertices.numel() &&
                    weights.numel() == pixels.numel() &&
                    neighbours.numel() == 2 * axes * (rows + 1),
                "the sizes of the lattice's tensors don't fit together");
    return {vertices.size(0),
            rows,
            pixels.numel(),
            static_cast<int>(axes),
            vertices.const_data_ptr<int32_t>(),
            slice_weights.const_data_ptr<float>(),
            pixels.const_data_ptr<int32_t>(),
            weights.const_data_ptr<float>(),
            offsets.const_data_ptr<int32_t>(),
            neighbours.const_data_ptr<int32_t>()};
  }

 private:
  std::array<Tensor, 6> tensors_;
};

// Calls f with a float or a double, whichever the tensor holds.
template <typename F>
void with_scalar_of(const Tensor& tensor, F f) {
  if (tensor.scalar_type() == at::kDouble) return f(double{});
  TORCH_CHECK(tensor.scalar_type() == at::kFloat, "expected float32 or float64, got ",
              tensor.scalar_type());
  f(float{});
}

inline Tensor bytes_like(const Tensor& tensor, size_t bytes) {
  return at::empty({static_cast<int64_t>(bytes)}, tensor.options().dtype(at::kByte));
}

}  // namespace mmwsss::gpu
