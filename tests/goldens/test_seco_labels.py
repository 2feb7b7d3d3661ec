# Licensed under Apache-2.0.
"""SeCo's single labels, tag map and segmentation loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.cam import strongest_class, threshold_label
from mmwsss.methods.seco.crop_tags import single_label, tag_map
from mmwsss.models.losses.balanced_cross_entropy import balanced_cross_entropy
from mmwsss.structures import ImageLabels
from tests.goldens.seco_model import close, equal, tensors


@pytest.fixture
def data(golden) -> dict[str, torch.Tensor]:
    return tensors(golden('seco_labels'))


def present(multi_hot: torch.Tensor) -> ImageLabels:
    lists = [np.flatnonzero(row).tolist() for row in multi_hot.numpy()]
    return ImageLabels.from_lists(lists, multi_hot.shape[1])


def test_single_labels(data) -> None:
    equal(single_label(present(data['cls_labels'])), data['label_idx'])


def test_maps(data) -> None:
    labels = present(data['labels'])
    cam = labels.valid(labels.gather(data['cam']))
    thresholds = float(data['low']), float(data['high'])
    equal(tag_map(cam, labels.ids, *thresholds, data['box']), data['roi'])
    plain = threshold_label(*strongest_class(cam, labels.ids), float(data['bkg']))
    equal(plain, data['roi_no_box'])


def test_segmentation_loss(data) -> None:
    logits = data['seg/logits'].requires_grad_()
    labels = [name for name in data if name.startswith('seg/') and '_label' in name]
    assert labels
    for name in labels:
        case = name.removesuffix('_label')
        loss = balanced_cross_entropy(logits, data[name].long())
        close(loss, data[f'{case}_loss'].numpy())
        (grad,) = torch.autograd.grad(loss, logits)
        close(grad, data[f'{case}_grad'].numpy(), 1e-4)
