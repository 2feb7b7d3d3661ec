# Licensed under Apache-2.0.
from __future__ import annotations

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmwsss.models.heads.large_fov_head import LargeFOVHead


@pytest.fixture
def head() -> LargeFOVHead:
    torch.manual_seed(0)
    return LargeFOVHead(6, 4, num_classes=3, dilation=2)


def test_parameters(head) -> None:
    shapes = {k: tuple(p.shape) for k, p in head.named_parameters()}
    assert shapes == {
        'conv6.weight': (4, 6, 3, 3),
        'conv7.weight': (4, 4, 3, 3),
        'conv_seg.weight': (3, 4, 1, 1),
    }  # no bias, no norm


def test_field_of_view(head) -> None:
    """One token reaches two dilations in each direction, in steps of the dilation."""
    for parameter in head.parameters():
        parameter.data.fill_(1.0)
    token = torch.zeros(1, 6, 11, 11)
    token[..., 5, 5] = 1.0
    seen = head((token,))[0, 0] > 0
    expected = torch.zeros(11, 11, dtype=torch.bool)
    expected[1:10:2, 1:10:2] = True
    assert torch.equal(seen, expected)


def test_takes_the_last_map_and_keeps_its_size(head) -> None:
    first, last = torch.randn(2, 6, 5, 7), torch.randn(2, 6, 5, 7)
    logits = head((first, last))
    assert logits.shape == (2, 3, 5, 7)
    assert torch.equal(logits, head((last, last)))


def test_eval_and_train_agree(head) -> None:
    """No dropout."""
    x = (torch.randn(1, 6, 5, 5),)
    assert torch.equal(head.train()(x), head.eval()(x))


def test_is_an_mmseg_head(head) -> None:
    """Full supervision through mmseg's own interface; 255 doesn't count."""
    x = (torch.randn(2, 6, 4, 4),)
    losses = []
    for ignored in (255, 1):
        samples = []
        for _ in range(2):
            mask = torch.zeros(1, 16, 16, dtype=torch.long)
            mask[..., :8] = ignored
            samples.append(SegDataSample(gt_sem_seg=PixelData(data=mask)))
        losses.append(head.loss(x, samples, {})['loss_ce'])
    assert all(torch.isfinite(loss) for loss in losses)
    logits = torch.nn.functional.interpolate(head(x), (16, 16), mode='bilinear')
    expected = -logits.log_softmax(1)[:, 0, :, 8:].mean()
    torch.testing.assert_close(losses[0], expected)


def test_more_arguments_of_mmseg() -> None:
    head = LargeFOVHead(6, 4, num_classes=3, in_index=0, dropout_ratio=0.5)
    assert head.in_index == 0 and head.dropout.p == 0.5
