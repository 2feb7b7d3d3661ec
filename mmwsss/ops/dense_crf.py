# Licensed under Apache-2.0.
"""Mean-field inference of the fully connected CRF.

Source: Kraehenbuehl and Koltun, "Efficient Inference in Fully Connected CRFs
with Gaussian Edge Potentials" (NeurIPS 2011), algorithm 1.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Real
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ._checks import (
    can_inspect,
    check_finite,
    check_images,
    check_iterations,
    check_maps,
    check_memory,
    check_mode,
    check_same_device,
    check_same_size,
    compute_dtype,
    describe,
)
from ._crf_terms import Deviation, Weight, read_terms
from ._schema import kernels
from .crf_presets import DENSE_CRF_PRESETS
from .crf_unary import collapse_labels, label_unary

__all__ = ['DENSE_CRF_PRESETS', 'dense_crf', 'dense_crf_labels']

Term: TypeAlias = tuple[Tensor, Weight]


def dense_crf(
    images: Tensor | Sequence[Tensor],
    unary: Tensor | Sequence[Tensor],
    *,
    pos_xy_std: Deviation,
    pos_w: Weight,
    bi_xy_std: Deviation,
    bi_rgb_std: Deviation,
    bi_w: Weight,
    iter_max: int = 10,
    extra_terms: Sequence[Term] = (),
    multiplicity: Tensor | None = None,
    mode: str = 'lattice',
    pad_block: bool = True,
) -> Tensor | list[Tensor]:
    r"""Marginals of the dense CRF after ``iter_max`` mean-field updates.

    .. math::
        Q^0 = \mathrm{softmax}_l(-U), \quad
        Q^{t+1} = \mathrm{softmax}_l(-U + w_g A_g(Q^t) + w_b A_b(Q^t)), \quad
        A(q) = D^{-1/2} K D^{-1/2} q

    with K the Gaussian kernel (own contribution included) and D = diag(K 1).
    ``dense_crf(images, unary, **DENSE_CRF_PRESETS['toco_seg'])`` gives the
    published settings. Not differentiable.

    A weight is a number w (Potts: a label gains w times its own filtered
    mass), a vector (n,) of one number for each label, or a matrix (n, n) of
    penalties :math:`\mu`, of which label l pays
    :math:`\sum_{l'} \mu_{l l'} A(Q)_{l'}`, as in the paper's equation 4; the
    number w is the matrix with w off the diagonal and 0 on it.

    Args:
        images: (B, 3, H, W) RGB, uint8 or floating, 0..255; or a list of
            (3, H, W) images of different sizes.
        unary: (B, n, H, W) energies, see :func:`unary_from_prob`,
            :func:`unary_from_cam` and :func:`unary_from_labels`; or a list.
        pos_xy_std: Deviation of the Gaussian kernel in pixels, > 0; one number
            or a pair for x and y.
        pos_w: Weight w_g of the Gaussian kernel; 0 leaves it out.
        bi_xy_std: Deviation of the bilateral kernel in pixels, > 0; also a pair.
        bi_rgb_std: Its deviation in grey levels, > 0; also one for each channel.
        bi_w: Weight w_b of the bilateral kernel; 0 leaves it out.
        iter_max: Number of updates, >= 0.
        extra_terms: Further kernels: pairs of features (B, d, H, W), already
            divided by their deviations, and a weight. Not with lists.
        multiplicity: (n,), how many labels of identical energies each row
            stands for (:func:`collapse_labels`); the result is that of one of
            them. None: 1 each.
        mode: ``'lattice'`` (published) or ``'exact'`` (the kernel itself,
            O((H * W)^2), always in PyTorch; 1 to 2.5 % of labels differ).
        pad_block: Of the lattice. True as in the released library, which takes 4
            pixels at a time: where H * W isn't a multiple of 4, it fills up the
            last block with points of feature 0, and Q changes by up to 7e-3 if
            there are dark pixels near the top left. False leaves them out.

    Returns:
        Q (B, n, H, W), float32 (float64 for float64 energies), sum 1 over
        the labels; for lists a list of (n, H, W).

    Raises:
        ValueError: Wrong rank, dtype, size, device, mode, deviation or weight;
            features or vertices that don't fit; on the CPU also non-finite
            values.
    """
    check_iterations('iter_max', iter_max)
    check_mode(mode)
    settings: dict[str, Any] = dict(
        pos_xy_std=pos_xy_std,
        pos_w=pos_w,
        bi_xy_std=bi_xy_std,
        bi_rgb_std=bi_rgb_std,
        bi_w=bi_w,
    )
    if isinstance(images, Sequence):
        if extra_terms:
            raise ValueError('extra_terms need images in one tensor, got a list')
        settings |= dict(iter_max=iter_max, multiplicity=multiplicity, mode=mode)
        settings |= dict(pad_block=pad_block)
        return _of_different_sizes(images, unary, settings)
    if isinstance(unary, Sequence):
        got = describe(unary)
        raise ValueError(f'unary must be a tensor, as images are, got {got}')
    check_images('images', images)
    check_maps('unary', unary, batch=images.shape[0])
    check_same_size(images, unary, 'images', 'unary')
    check_same_device(images=images, unary=unary)
    check_finite(images=images, unary=unary)
    _warn_of_mistakes(images, unary)
    terms = read_terms(settings, extra_terms, images, unary)
    log_count = _log_multiplicity(multiplicity, unary, terms.compats)
    with torch.no_grad(), torch.autocast(unary.device.type, enabled=False):
        unary = unary.to(compute_dtype(unary)).contiguous()
        return kernels.dense_crf(
            images, unary, *terms, iter_max, log_count, mode == 'exact', pad_block
        )


def dense_crf_labels(
    images: Tensor | Sequence[Tensor],
    labels: Tensor | Sequence[Tensor],
    num_labels: int,
    confidence: float = 0.7,
    *,
    pos_xy_std: Deviation,
    pos_w: Weight,
    bi_xy_std: Deviation,
    bi_rgb_std: Deviation,
    bi_w: Weight,
    iter_max: int = 10,
    collapse: bool = True,
    mode: str = 'lattice',
    pad_block: bool = True,
) -> Tensor | list[Tensor]:
    """:func:`dense_crf` with hard labels as unary.

    Args:
        images: (B, 3, H, W) RGB, 0..255, or a list of (3, H, W).
        labels: (B, H, W) integers in 0..num_labels-1, or a list of (H, W).
        num_labels: n; the result depends on it. Use 21 for "21 labels", the
            number of present labels for a compact label set.
        confidence: Probability of the given label, in (0, 1).
        pos_xy_std: See :func:`dense_crf`, as all the following.
        pos_w: See :func:`dense_crf`.
        bi_xy_std: See :func:`dense_crf`.
        bi_rgb_std: See :func:`dense_crf`.
        bi_w: See :func:`dense_crf`.
        iter_max: See :func:`dense_crf`.
        collapse: Let the absent labels share one row: same result, faster; only
            where both weights are numbers.
        mode: See :func:`dense_crf`.
        pad_block: See :func:`dense_crf`.

    Returns:
        Q (B, n, H, W), for lists a list of (n, H, W).

    Raises:
        ValueError: As :func:`dense_crf` and :func:`unary_from_labels`.
    """
    settings: dict[str, Any] = dict(
        pos_xy_std=pos_xy_std,
        pos_w=pos_w,
        bi_xy_std=bi_xy_std,
        bi_rgb_std=bi_rgb_std,
        bi_w=bi_w,
        iter_max=iter_max,
        mode=mode,
        pad_block=pad_block,
    )
    if isinstance(images, Sequence):
        rest = dict(num_labels=num_labels, confidence=confidence, collapse=collapse)
        return _labels_of_different_sizes(images, labels, settings | rest)
    if isinstance(labels, Sequence):
        got = describe(labels)
        raise ValueError(f'labels must be a tensor, as images are, got {got}')
    check_images('images', images)
    if isinstance(labels, Tensor):
        check_same_device(images=images, labels=labels)
    rows = collapse_labels(labels, num_labels)
    needed = 4 * num_labels * labels.numel()
    check_memory(f'{num_labels} labels', needed, labels.device)
    alike = isinstance(pos_w, Real) and isinstance(bi_w, Real)
    if not (collapse and alike):
        unary = label_unary(labels, num_labels, num_labels, confidence)
        return dense_crf(images, unary, **settings)
    count = len(rows.multiplicity)
    unary = label_unary(rows.labels, count, num_labels, confidence)
    result = dense_crf(images, unary, multiplicity=rows.multiplicity, **settings)
    return torch.index_select(result, 1, rows.row_of_label)


def _warn_of_mistakes(images: Tensor, unary: Tensor) -> None:
    """What is allowed, but hardly ever meant."""
    if not can_inspect(unary):
        return
    if images.is_floating_point() and 0 < float(images.max()) <= 1:
        warnings.warn('images are 0..255; these are all <= 1', stacklevel=3)
    row = unary[:, :, 0]  # of pixels; one is enough to tell
    sums = row.sum(dim=1)
    if unary.shape[1] > 1 and row.min() >= 0 and (sums - 1).abs().max() < 1e-3:
        warnings.warn(
            'unary are energies; these look like probabilities, of which '
            'unary_from_prob makes energies',
            stacklevel=3,
        )


def _labels_of_different_sizes(
    images: Sequence[Tensor], labels: Sequence[Tensor], settings: dict
) -> list[Tensor]:
    if len(images) == 0 or len(images) != len(labels):
        raise ValueError(
            f'images and labels must be lists of one length >= 1, got {len(images)} '
            f'and {len(labels)}'
        )
    # One by one: which labels are present differs, and with it the rows.
    pairs = zip(images, labels, strict=True)
    return [dense_crf_labels(i[None], one[None], **settings)[0] for i, one in pairs]


def _of_different_sizes(
    images: Sequence[Tensor], unary: Sequence[Tensor], settings: dict
) -> list[Tensor]:
    """Images of one size and number of labels together, in the order given."""
    sizes = len(images), len(unary) if isinstance(unary, list | tuple) else 'no list'
    if sizes[0] == 0 or sizes[0] != sizes[1]:
        raise ValueError(
            f'images and unary must be lists of one length >= 1, got {sizes[0]} '
            f'and {sizes[1]}'
        )
    groups: dict[tuple, list[int]] = {}
    for index, (image, energy) in enumerate(zip(images, unary, strict=True)):
        pair = image, energy
        if not all(isinstance(maps, Tensor) and maps.dim() == 3 for maps in pair):
            raise ValueError(
                f'entry {index} of the lists must be a (3, H, W) image and '
                f'(n, H, W) energies, got {describe(image)} and {describe(energy)}'
            )
        key = [(maps.shape, maps.device, maps.dtype) for maps in pair]
        groups.setdefault(tuple(key), []).append(index)
    results: list[Tensor] = [images[0]] * len(images)
    for members in groups.values():
        batch = torch.stack([images[i] for i in members])
        energies = torch.stack([unary[i] for i in members])
        for i, result in zip(members, dense_crf(batch, energies, **settings)):
            results[i] = result
    return results


def _log_multiplicity(
    multiplicity: Tensor | None, unary: Tensor, compats: Sequence[Tensor]
) -> Tensor | None:
    if multiplicity is None:
        return None
    rows = (unary.shape[1],)
    if not isinstance(multiplicity, Tensor) or multiplicity.shape != rows:
        raise ValueError(
            f'multiplicity must have shape {rows}, one entry per row of unary, '
            f'got {describe(multiplicity)}'
        )
    if any(compat.numel() for compat in compats):
        raise ValueError(
            'multiplicity needs labels that are treated alike: weights must be '
            'numbers, got a vector or a matrix'
        )
    check_same_device(unary=unary, multiplicity=multiplicity)
    if not bool(((multiplicity >= 1) & multiplicity.isfinite()).all()):
        raise ValueError(
            f'multiplicity must be finite and >= 1, got {multiplicity.tolist()}'
        )
    return multiplicity.to(compute_dtype(unary)).log()
