# Licensed under Apache-2.0.
"""Permutohedral lattice: build once, filter often.

Source: Adams, Baek, Davis, "Fast High-Dimensional Filtering Using the
Permutohedral Lattice" (Eurographics 2010), with the conventions of the dense
CRF of Kraehenbuehl and Koltun (NeurIPS 2011), which published numbers rest on:
only vertices that some pixel touches exist, a missing neighbour counts 0, the
blur isn't renormalised, a pixel's own contribution is kept. Their library takes
pixels in blocks of 4 and fills up the last one with points of feature 0: the
vertices around those exist too, and the blur passes through them.

Every sum is a gather in a fixed order: results are reproducible bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ._checks import (
    BYTES_PER_ENTRY,
    check_features,
    check_finite,
    check_memory,
    check_rows,
    compute_dtype,
)
from ._features import block_has_origin
from ._schema import kernels

__all__ = ['PermutohedralLattice']


@dataclass(frozen=True, eq=False)
class PermutohedralLattice:
    r"""The sparse Gaussian filter of N pixels with d features and M vertices.

    ``PermutohedralLattice.build(features).filter(rows)`` is the Gaussian sum
    :math:`\sum_j \exp(-\tfrac12 \lVert f_i - f_j \rVert^2) v_j`, approximately
    (0.5 to 0.6 times the exact sum), at a cost that is linear in N.

    Attributes:
        vertices: (N, d + 1) int32, vertices of the simplex around each pixel.
        slice_weights: (N, d + 1) float32, barycentric weights times the scale
            1 / (1 + 2^-d) of the result.
        splat_pixels: (E,) int32, pixels ordered by vertex. E = N * (d + 1), and
            B * (d + 1) more where the last block of each image was filled up:
            an entry of weight 0 for each of those vertices.
        splat_weights: (E,) float32, their barycentric weights.
        splat_offsets: (M + 1,) int32, where the pixels of each vertex begin;
            the last entry is E.
        neighbours: (d + 1, M + 1, 2) int32, both neighbours along each
            direction, M where there is none; row M stands for itself.
    """

    vertices: Tensor
    slice_weights: Tensor
    splat_pixels: Tensor
    splat_weights: Tensor
    splat_offsets: Tensor
    neighbours: Tensor

    @classmethod
    def build(
        cls, features: Tensor, exact_size: bool = True, pad_block: bool = True
    ) -> PermutohedralLattice:
        """Build the lattice of a batch of images; images never mix.

        Args:
            features: (B, d, P) floating, already divided by their sigmas; P
                pixels an image, 1 <= d <= 11. Computed in float32.
            exact_size: Count the vertices (a host sync on a GPU). False
                allocates for the worst case M = E instead.
            pad_block: True as in the released library: where P isn't a multiple
                of 4, the d + 1 vertices around feature 0 exist in each image
                even if no pixel touches them. They have no mass; the blur passes
                through them, which matters to pixels near feature 0 (dark ones
                at the top left). False leaves them out.

        Returns:
            The lattice over N = B * P pixels, image-major.

        Raises:
            ValueError: Wrong rank, dtype or size; non-finite features or such
                beyond 2^18 (CPU only); a range of features (up to feature 0,
                where that is added) that the packed 63-bit keys can't hold: the
                sigmas are too small. On a GPU without ``exact_size`` such a
                lattice gives NaN instead.
        """
        check_features(features)
        batch, dim, pixels = features.shape
        origin = block_has_origin(pixels, pad_block)
        entries = batch * (pixels + int(origin)) * (dim + 1)
        check_memory('the lattice', entries * BYTES_PER_ENTRY, features.device)
        with torch.no_grad(), torch.autocast(features.device.type, enabled=False):
            features = features.float().contiguous()
            return cls(*kernels.lattice_build(features, exact_size, origin))

    @property
    def num_pixels(self) -> int:
        """N, over all images of the batch."""
        return self.vertices.shape[0]

    @property
    def num_vertices(self) -> int:
        """M, over all images of the batch (the worst case if not counted)."""
        return self.splat_offsets.shape[0] - 1

    def tensors(self) -> tuple[Tensor, ...]:
        """The six tensors, in the order of the attributes."""
        return tuple(getattr(self, field) for field in self.__dataclass_fields__)

    def filter(self, values: Tensor) -> Tensor:
        """Splat, blur and slice; linear in the values and differentiable.

        Args:
            values: (N, C) floating, any C; half precision is computed in float32.

        Returns:
            (N, C), float32 (float64 for float64 values), not normalised.

        Raises:
            ValueError: Wrong rank, dtype, number of rows or device; non-finite
                values (CPU only).
        """
        check_rows(values, self.num_pixels, self.vertices)
        check_finite(values=values)
        table = 2 * (self.num_vertices + 1) * -(-values.shape[1] // 8) * 8
        needed = table * max(4, values.element_size())
        check_memory('the tables of the filter', needed, values.device)
        with torch.autocast(values.device.type, enabled=False):
            values = values.to(compute_dtype(values)).contiguous()
            return kernels.lattice_filter(*self.tensors(), values, False)
