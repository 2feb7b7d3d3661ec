# Licensed under Apache-2.0.
"""What is timed: inputs drawn from a seed, and every form of each operator."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from ops_timing import Form
from torch import Tensor

from mmwsss import ops
from mmwsss.ops import (
    DENSE_CRF_PRESETS,
    bilateral_filter,
    dense_crf,
    dense_crf_labels,
    dense_energy,
    get_build_info,
    par,
    par_affinity,
    par_propagate,
    python_forms,
    unary_from_labels,
    unary_from_prob,
)
from mmwsss.ops._composite import forget_lattices

__all__ = ['CASES', 'CUDA_CASES', 'Case', 'has_pydensecrf']

DILATIONS = (1, 2, 4, 8, 12, 24)
PHOTO = (375, 500)


class Case(NamedTuple):
    """Forms that compute the same.

    Attributes:
        title: What is computed.
        forms: The first one is what the ratios refer to.
        reference: Form that the results are compared with.
        marginals: Whether the results are marginals over labels.
    """

    title: str
    forms: dict[str, Form]
    reference: str = 'PyTorch'
    marginals: bool = False


# --- inputs ------------------------------------------------------------------------
def picture(batch: int, height: int, width: int, channels: int = 3) -> Tensor:
    """Noise of all scales, coarse ones strongest, uint8."""
    generator = torch.Generator().manual_seed(0)
    image = torch.zeros(batch, channels, height, width)
    for level in range(6):
        cells = (max(height >> level, 2), max(width >> level, 2))
        noise = torch.randn(batch, channels, *cells, generator=generator)
        image += 2**level * F.interpolate(noise, (height, width), mode='bilinear')
    low, high = image.aminmax()
    return ((image - low) / (high - low) * 255).round().byte()


def smooth_prob(batch: int, labels: int, height: int, width: int) -> Tensor:
    """Softmax of coarse random logits."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(batch, labels, 14, 14, generator=generator) * 3
    return F.interpolate(logits, (height, width), mode='bilinear').softmax(dim=1)


# --- forms -------------------------------------------------------------------------
def ours(run: Form, device: torch.device) -> dict[str, Form]:
    """The compiled form where there is one, and the form in PyTorch."""
    info = get_build_info()

    def fresh() -> Tensor:
        # Others build the Gaussian lattice each time as well.
        forget_lattices()
        return run()

    def in_pytorch() -> Tensor:
        with python_forms():
            return run()

    if info['cuda'] if device.type == 'cuda' else info['compiled']:
        return {'compiled': fresh, 'PyTorch': in_pytorch}
    return {'PyTorch': fresh}


def published_par(image: Tensor, masks: Tensor, num_iters: int = 10) -> Tensor:
    """The formula with the stack of neighbours, anew in each iteration."""

    def stack(maps: Tensor) -> Tensor:
        batch, channels, height, width = maps.shape
        kernel = torch.eye(9, device=maps.device)[[0, 1, 2, 3, 5, 6, 7, 8]]
        kernel = kernel.view(8, 1, 3, 3)
        rings = []
        for d in DILATIONS:
            padded = F.pad(maps, (d, d, d, d), mode='replicate')
            padded = padded.view(batch * channels, 1, *padded.shape[-2:])
            rings.append(F.conv2d(padded, kernel, dilation=d))
        return torch.cat(
            [ring.view(batch, channels, 8, height, width) for ring in rings], dim=2
        )

    image = image.float()
    neighbours = stack(image)
    deviation = neighbours.std(dim=2, keepdim=True)
    ratio = (neighbours - image[:, :, None]).abs() / (deviation + 1e-8) / 0.3
    weight = (-(ratio**2)).mean(dim=1, keepdim=True).softmax(dim=2)
    ring = torch.tensor([2**0.5, 1, 2**0.5, 1, 1, 2**0.5, 1, 2**0.5])
    distance = torch.cat([d * ring for d in DILATIONS]).to(image.device)
    position = (-((distance / (distance.std() + 1e-8) / 0.3) ** 2)).softmax(dim=0)
    weight = weight + 0.01 * position.view(1, 1, -1, 1, 1)
    for _ in range(num_iters):
        masks = (stack(masks) * weight).sum(dim=2)
    return masks


def channel_by_channel(image: Tensor, values: Tensor) -> Tensor:
    """One image and one channel at a time, the lattice built for each."""
    rows = [
        bilateral_filter(image[i : i + 1], values[i : i + 1, c : c + 1], 50.0, 15.0)
        for i in range(len(values))
        for c in range(values.shape[1])
    ]
    return torch.cat(rows).view_as(values)


def has_pydensecrf() -> bool:
    """Whether the CPU library that the field uses is installed."""
    return find_spec('pydensecrf') is not None


def pydensecrf(photo: Tensor, unary: Tensor, preset: str) -> Tensor:
    """The same settings in pydensecrf, one image; gives (1, n, H, W)."""
    from pydensecrf.densecrf import DenseCRF2D

    params = DENSE_CRF_PRESETS[preset]
    _, labels, height, width = unary.shape
    crf = DenseCRF2D(width, height, labels)
    crf.setUnaryEnergy(np.ascontiguousarray(unary[0].flatten(1).numpy()))
    crf.addPairwiseGaussian(sxy=params['pos_xy_std'], compat=params['pos_w'])
    crf.addPairwiseBilateral(
        sxy=params['bi_xy_std'],
        srgb=params['bi_rgb_std'],
        rgbim=photo[0].permute(1, 2, 0).contiguous().numpy(),
        compat=params['bi_w'],
    )
    marginals = np.ascontiguousarray(crf.inference(params['iter_max']))
    return torch.from_numpy(marginals).view(unary.shape)


# --- cases -------------------------------------------------------------------------
def par_case(labels: int, device: torch.device) -> Case:
    image = picture(2, 224, 224).to(device)
    masks = smooth_prob(2, labels, 224, 224).to(device)
    forms = ours(lambda: par(image, masks), device)
    forms['published form'] = lambda: published_par(image, masks)
    title = f'PAR 2x{labels}x224x224, 10 iterations'
    return Case(title, forms, 'published form')


def propagate_case(labels: int, device: torch.device) -> Case:
    affinity = par_affinity(picture(2, 224, 224).to(device))
    masks = smooth_prob(2, labels, 224, 224).to(device)
    forms = ours(lambda: par_propagate(affinity, masks), device)
    return Case(f'PAR 2x{labels}x224x224, affinity known, 10 iterations', forms)


def filter_case(device: torch.device) -> Case:
    image = picture(2, 224, 224).to(device)
    prob = smooth_prob(2, 21, 224, 224).to(device)
    forms = ours(lambda: bilateral_filter(image, prob, 50.0, 15.0), device)
    forms['channel by channel'] = lambda: channel_by_channel(image, prob)
    title = 'bilateral filter 2x21x224x224, sigma 50 / 15, with build'
    return Case(title, forms, 'channel by channel')


def energy_case(backward: bool, device: torch.device) -> Case:
    image = picture(2, 224, 224).to(device)
    unlabelled = image[:, 0] > 128
    prob = smooth_prob(2, 21, 224, 224).to(device).requires_grad_(backward)

    def run() -> Tensor:
        # 224 pixels are the working resolution of crops of 448.
        settings = dict(sigma_xy=50.0, scale_factor=1.0)
        energy = dense_energy(image, prob, None, unlabelled, **settings)
        return torch.autograd.grad(energy, prob)[0] if backward else energy

    what = 'forward and backward' if backward else 'forward'
    title = f'dense energy 2x21x224x224, sigma 50 / 15, {what}'
    return Case(title, ours(run, device))


def crf_case(labels: int, preset: str, batch: int, device: torch.device) -> Case:
    photo = picture(batch, *PHOTO)
    unary = unary_from_prob(smooth_prob(batch, labels, *PHOTO))
    params = DENSE_CRF_PRESETS[preset]
    images, energies = photo.to(device), unary.to(device)
    forms = ours(lambda: dense_crf(images, energies, **params), device)
    title = f'dense CRF {batch}x{labels}x375x500, {preset}, 10 iterations, with build'
    if batch > 1 or not has_pydensecrf():
        return Case(title, forms, marginals=True)
    forms['pydensecrf'] = lambda: pydensecrf(photo, unary, preset)
    return Case(title, forms, 'pydensecrf', marginals=True)


def hard_label_case(device: torch.device) -> Case:
    photo, params = picture(1, *PHOTO), DENSE_CRF_PRESETS['irn']
    labels = smooth_prob(1, 5, *PHOTO).argmax(dim=1)
    images, seeds = photo.to(device), labels.to(device)

    def run(collapse: bool = True) -> Tensor:
        return dense_crf_labels(images, seeds, 21, collapse=collapse, **params)

    forms = ours(run, device)
    forms['a row for each label'] = lambda: run(collapse=False)
    title = 'dense CRF 1x21x375x500 from 5 hard labels, irn, 10 iterations, with build'
    if not has_pydensecrf():
        return Case(title, forms, 'a row for each label', marginals=True)
    unary = unary_from_labels(labels, 21)
    forms['pydensecrf'] = lambda: pydensecrf(photo, unary, 'irn')
    return Case(title, forms, 'pydensecrf', marginals=True)


def walk_case(device: torch.device) -> Case:
    # A quarter of a VOC picture, the published working resolution.
    cam = smooth_prob(1, 5, 94, 125).to(device)
    edge = (picture(1, 94, 125, 1).float() / 255).to(device)
    forms = ours(lambda: ops.random_walk(cam, edge), device)
    return Case('random walk 1x5x94x125, radius 5, 256 steps', forms)


CASES: dict[str, Callable[[torch.device], Case]] = {
    'par3': lambda device: par_case(3, device),
    'par21': lambda device: par_case(21, device),
    'propagate21': lambda device: propagate_case(21, device),
    'filter21': filter_case,
    'energy21': lambda device: energy_case(False, device),
    'energy21_backward': lambda device: energy_case(True, device),
    'crf21_psa': lambda device: crf_case(21, 'psa', 1, device),
    'crf21_toco_seg': lambda device: crf_case(21, 'toco_seg', 1, device),
    'crf81_psa': lambda device: crf_case(81, 'psa', 1, device),
    'crf81_toco_seg': lambda device: crf_case(81, 'toco_seg', 1, device),
    'crf21_irn_labels': hard_label_case,
}
if hasattr(ops, 'random_walk'):
    CASES['random_walk'] = walk_case
# A CPU takes one image after the other.
CUDA_CASES = {
    **CASES,
    'crf21_psa_batch8': lambda device: crf_case(21, 'psa', 8, device),
}
