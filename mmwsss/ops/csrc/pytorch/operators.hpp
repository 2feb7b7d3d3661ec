// Licensed under Apache-2.0.
//
// What each device implements. Arguments are checked in Python already; see
// `mmwsss/ops/_schema.py` and `_fallback/` for what they mean.
#pragma once

#include <torch/types.h>

#include <optional>
#include <tuple>

#include "device_registry.hpp"

using at::Tensor;

// image (B, C, H, W) -> weights (B, 8 * dilations, H, W)
Tensor mmwsss_par_affinity(const Tensor& image, at::IntArrayRef dilations,
                           double w1, double w2);

// weights (B, K, H, W), maps (B, C, H, W), offsets (y, x) * K -> (B, C, H, W)
Tensor mmwsss_propagate(const Tensor& weights, const Tensor& maps,
                        at::IntArrayRef offsets, int64_t num_iters);

// vertices, slice_weights, splat_pixels, splat_weights, splat_offsets, neighbours
using Lattice = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor>;

// features (B, d, P) -> the lattice of B * P pixels
Lattice mmwsss_lattice_build(const Tensor& features, bool exact_size,
                             bool with_origin);

// values (N, C) -> (N, C)
Tensor mmwsss_lattice_filter(const Tensor& vertices, const Tensor& slice_weights,
                             const Tensor& splat_pixels,
                             const Tensor& splat_weights,
                             const Tensor& splat_offsets,
                             const Tensor& neighbours, const Tensor& values,
                             bool reverse);

// unary (B, n, H, W), six tensors for each term -> Q (B, n, H, W)
Tensor mmwsss_mean_field(const Tensor& unary, at::TensorList lattices,
                         at::TensorList compats, int64_t iter_max,
                         const std::optional<Tensor>& log_count);
