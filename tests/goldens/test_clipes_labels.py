# Licensed under Apache-2.0.
"""CLIP-ES's labels, the CRF's input and the confidence-guided loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmwsss.labelers.background_power_labeler import BackgroundPowerLabeler
from mmwsss.labelers.labeler import Labeler
from mmwsss.labelers.refiners.crf_refiner import wrapped_picture
from mmwsss.labelers.threshold_labeler import ThresholdLabeler
from mmwsss.methods.clip_es.confidence_guided_loss import (
    ConfidenceGuidedLoss,
    confident_label,
)
from mmwsss.methods.clip_es.confident_labeler import ConfidentLabeler
from mmwsss.structures import ImageLabels, PseudoLabel
from tests.goldens.clip_model import close


@pytest.fixture
def data(golden):
    return golden('clipes_pseudo')


def decided(data, labeler: Labeler) -> PseudoLabel:
    """What a labeler makes of the stored maps and the photo."""
    photo = torch.from_numpy(data['photo']).permute(2, 0, 1)[None].float()
    order = np.argsort(data['keys'])  # ours are in the order of class ids
    cams = torch.from_numpy(data['cams'][order].astype(np.float32))[None]
    labels = ImageLabels.from_lists([data['keys'].tolist()], int(data['classes']) - 1)
    return labeler(photo, cams, labels)


def crf_of(data, **settings) -> dict:
    names = dict(
        iter_max='iter_max',
        pos_w='pos_w',
        pos_xy_std='pos_xy_std',
        bi_w='bi_w',
        bi_xy_std='bi_xy_std',
        bi_rgb_std='bi_rgb_std',
    )
    stored = {ours: data[f'crf_{name}'].item() for ours, name in names.items()}
    wanted = dict(unary='half', picture='wrapped') | settings
    return dict(type='DenseCRF', preset='deeplab', **stored, **wanted)


def test_picture_of_the_crf(data) -> None:
    photo = torch.from_numpy(data['photo']).permute(2, 0, 1)[None].float()
    found = wrapped_picture(photo)[0].permute(1, 2, 0)
    np.testing.assert_array_equal(found.numpy(), data['crf_image'])


def test_crf_and_confidence(data) -> None:
    threshold = float(data['conf_thr'])
    found = decided(data, ConfidentLabeler(threshold, refiner=crf_of(data)))
    order = [0, *(1 + np.argsort(data['keys']))]
    np.testing.assert_allclose(found.soft[0].numpy(), data['Q'][order], atol=1e-3)
    np.testing.assert_allclose(found.confidence[0], data['confidence'], atol=1e-3)
    sure = np.abs(data['confidence'] - threshold) >= 1e-3
    np.testing.assert_array_equal(found.ids[0].numpy()[sure], data['label'][sure])
    every = decided(data, ConfidentLabeler(0.0, refiner=crf_of(data)))
    np.testing.assert_array_equal(every.ids[0].numpy(), data['label_all'])


def test_labels_of_the_maps(data) -> None:
    for alpha in (1, 2):
        found = decided(data, BackgroundPowerLabeler(float(alpha)))
        np.testing.assert_array_equal(
            found.ids[0].numpy(), data[f'cam_label_alpha{alpha}']
        )
    for name in ('a', 'b'):
        found = decided(data, ThresholdLabeler(float(data[f'constant_{name}'])))
        np.testing.assert_array_equal(
            found.ids[0].numpy(), data[f'cam_label_constant_{name}']
        )


def test_loss(golden) -> None:
    data = golden('clipes_cgl_loss')
    threshold = float(data['conf_thr'])
    prob = torch.from_numpy(data['prob'])
    label = confident_label(prob.argmax(1), prob.amax(1), threshold)
    np.testing.assert_array_equal(label.numpy(), data['label'])
    for given in (dict(label=label), dict(label=prob.argmax(1), weight=prob.amax(1))):
        logits = torch.from_numpy(data['logits']).requires_grad_()
        loss = ConfidenceGuidedLoss(threshold)(logits, **given)
        close(loss, data['loss'], 1e-6)
        (gradient,) = torch.autograd.grad(loss, logits)
        close(gradient, data['grad'])


def test_loss_without_a_sure_pixel(golden) -> None:
    """PyTorch gives NaN; here it counts nothing."""
    data = golden('clipes_cgl_loss')
    assert np.isnan(data['nan_loss_all_ignored'])
    logits = torch.from_numpy(data['logits']).requires_grad_()
    loss = ConfidenceGuidedLoss()(logits, torch.full_like(logits[:, 0], 255).long())
    loss.backward()
    assert loss == 0 and not logits.grad.any()


def test_losses_of_four_outputs(golden) -> None:
    """Labels on each grid by the centre rule."""
    data = golden('clipes_cgl_loss')
    label = torch.from_numpy(data['msc_label'])[:, None].float()
    total = 0.0
    for i in range(4):
        logits = torch.from_numpy(data[f'msc_logits_{i}'])
        small = F.interpolate(label, logits.shape[-2:], mode='nearest-exact')
        np.testing.assert_array_equal(small[:, 0].numpy(), data[f'msc_label_{i}'])
        loss = ConfidenceGuidedLoss()(logits, small[:, 0].long())
        close(loss, data[f'msc_loss_{i}'], 1e-6)
        total = total + loss
    close(total, data['msc_loss'], 1e-6)
