// Licensed under Apache-2.0.
//
// The dispatcher's entry points: each hands over to the implementation that is
// registered for the device of its tensors.
#include "operators.hpp"

#include <torch/library.h>

Tensor mmwsss_par_affinity(const Tensor& image, at::IntArrayRef dilations,
                           double w1, double w2) {
  return DISPATCH_DEVICE_IMPL(mmwsss_par_affinity, image, dilations, w1, w2);
}

Tensor mmwsss_propagate(const Tensor& weights, const Tensor& maps,
                        at::IntArrayRef offsets, int64_t num_iters) {
  return DISPATCH_DEVICE_IMPL(mmwsss_propagate, weights, maps, offsets, num_iters);
}

Lattice mmwsss_lattice_build(const Tensor& features, bool exact_size,
                             bool with_origin) {
  return DISPATCH_DEVICE_IMPL(mmwsss_lattice_build, features, exact_size, with_origin);
}

Tensor mmwsss_lattice_filter(const Tensor& vertices, const Tensor& slice_weights,
                             const Tensor& splat_pixels,
                             const Tensor& splat_weights,
                             const Tensor& splat_offsets,
                             const Tensor& neighbours, const Tensor& values,
                             bool reverse) {
  return DISPATCH_DEVICE_IMPL(mmwsss_lattice_filter, vertices, slice_weights,
                              splat_pixels, splat_weights, splat_offsets,
                              neighbours, values, reverse);
}

Tensor mmwsss_mean_field(const Tensor& unary, at::TensorList lattices,
                         at::TensorList compats, int64_t iter_max,
                         const std::optional<Tensor>& log_count) {
  return DISPATCH_DEVICE_IMPL(mmwsss_mean_field, unary, lattices, compats,
                              iter_max, log_count);
}

static void register_operators(torch::Library& m) {
  m.impl("par_affinity", mmwsss_par_affinity);
  m.impl("propagate", mmwsss_propagate);
  m.impl("lattice_build", mmwsss_lattice_build);
  m.impl("lattice_filter", mmwsss_lattice_filter);
  m.impl("mean_field", mmwsss_mean_field);
}

TORCH_LIBRARY_IMPL(mmwsss, CPU, m) { register_operators(m); }
#ifdef MMWSSS_WITH_CUDA
// Without CUDA kernels, CUDA tensors take the forms in PyTorch.
TORCH_LIBRARY_IMPL(mmwsss, CUDA, m) { register_operators(m); }
#endif
