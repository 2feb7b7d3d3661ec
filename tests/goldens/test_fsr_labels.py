# Licensed under Apache-2.0.
"""FSR's labels, single losses, refinement and energy: the foundation's functions.

(Its metric is in ``test_toco_scores.py``.)
"""

from __future__ import annotations

import numpy as np
import torch

from mmwsss.cam import (
    affinity_targets,
    denormalise,
    resize,
    strongest_class,
    three_way_label,
    threshold_label,
    truncate_to_unit,
)
from mmwsss.models.losses.balanced_cross_entropy import balanced_cross_entropy
from mmwsss.models.losses.multi_label_soft_margin import multi_label_soft_margin
from mmwsss.models.losses.patch_token_contrast import patch_token_contrast
from mmwsss.ops import dense_energy
from mmwsss.ops.par import PAR
from mmwsss.structures import ImageLabels
from tests.goldens.fsr_model import near
from tests.helpers.published_labels import refined_label

MEAN = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
STD = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)


def test_labels(golden) -> None:
    data = {k: torch.from_numpy(np.asarray(v)) for k, v in golden('fsr_labels').items()}
    low, high, bkg = (float(data[k]) for k in ('low', 'high', 'bkg'))
    cam = data['cam'] * data['labels'][..., None, None]
    near(cam, data['valid_cam'].numpy())
    score, label = strongest_class(cam)
    for box, name in ((None, 'label_mid'), (data['img_box'], 'label_mid_box')):
        np.testing.assert_array_equal(
            three_way_label(score, label, low, high, box), data[name]
        )
    np.testing.assert_array_equal(threshold_label(score, label, bkg), data['label_bkg'])
    small = resize(data['cam'], tuple(data['small_cam'].shape[-2:]))
    near(small, data['small_cam'].numpy())
    small = three_way_label(
        *strongest_class(data['small_cam'] * data['labels'][..., None, None]), low, high
    )
    np.testing.assert_array_equal(small, data['small_label'])
    np.testing.assert_array_equal(affinity_targets(small), data['aff_mask'])


def test_single_losses(golden) -> None:
    data = {k: torch.from_numpy(np.asarray(v)) for k, v in golden('fsr_labels').items()}
    for name, function, x, target in (
        ('ptc', patch_token_contrast, 'fmap', data['aff_mask']),
        ('seg', balanced_cross_entropy, 'seg_logits', data['label_mid']),
        ('cls', multi_label_soft_margin, 'cls_logits', data['labels']),
    ):
        leaf = data[x].clone().requires_grad_()
        loss = function(leaf, target)
        near(loss, data[f'{name}_loss'].numpy())
        loss.backward()
        near(leaf.grad, data[f'{name}_grad'].numpy())


def test_refined_label(golden) -> None:
    """Every pixel, while our error stays below the stored smallest margin."""
    data = golden('fsr_refine')
    images = truncate_to_unit(
        denormalise(torch.from_numpy(data['image_normalised']), MEAN, STD)
    )
    near(images, data['image01'], 1e-6)
    par = PAR()
    refined = par(
        torch.from_numpy(data['par_in_image']), torch.from_numpy(data['par_in_mask'])
    )
    error = float((refined - torch.from_numpy(data['par_out'])).abs().max())
    near(refined, data['par_out'])
    labels = ImageLabels.from_lists(
        [np.flatnonzero(row) for row in data['labels']], data['labels'].shape[1]
    )
    cam = labels.valid(labels.gather(torch.from_numpy(data['cam'])))
    label = refined_label(images, cam, labels, 0.7, 0.25, par)
    wrong = (label.numpy() != data['refined_label']).sum()
    allowed = 0 if error < float(data['min_margin']) else 4
    assert wrong <= allowed, (wrong, error, float(data['min_margin']))


def test_dense_energy_with_the_exact_kernel(golden) -> None:
    """Gate, normalisation and gradient rule, with the exact sum as the filter."""
    data = golden('fsr_energy_exact_kernel')
    logits = torch.from_numpy(data['logits']).requires_grad_()
    settings = {k: float(data[k]) for k in ('sigma_rgb', 'sigma_xy', 'scale_factor')}
    energy = dense_energy(
        denormalise(torch.from_numpy(data['image_normalised']), MEAN, STD),
        logits.softmax(1),
        None,
        torch.from_numpy(data['label']) == 255,
        **settings,
        mode='exact',
    )
    loss = float(data['weight']) * energy
    np.testing.assert_allclose(loss.item(), data['loss'], rtol=1e-5)
    loss.backward()
    expected = data['grad_logits']  # far below 1: relative to the largest
    np.testing.assert_allclose(
        logits.grad, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max()
    )
