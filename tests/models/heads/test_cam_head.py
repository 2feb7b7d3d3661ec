# Licensed under Apache-2.0.
from __future__ import annotations

import pytest
import torch

from mmwsss.cam import fuse_cams
from mmwsss.models.heads.cam_head import CAMHead


def maps() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(2, 6, 3, 4), torch.randn(2, 6, 3, 4)


@pytest.mark.parametrize('in_index', [0, -1])
@pytest.mark.parametrize('pooling', ['max', 'avg'])
def test_logits_are_weights_times_the_pooled_map(in_index: int, pooling: str) -> None:
    head = CAMHead(6, 5, in_index, pooling)
    assert [k for k, _ in head.named_parameters()] == ['classifier.weight']  # no bias
    features = maps()[in_index].flatten(2)
    pooled = features.max(2).values if pooling == 'max' else features.mean(2)
    expected = pooled @ head.classifier.weight.flatten(1).T
    torch.testing.assert_close(head(maps()), expected)


def test_average_of_the_cam_is_the_average_pooled_logit() -> None:
    head = CAMHead(6, 5, pooling='avg')
    cam = head.cam(maps())
    assert cam.shape == (2, 5, 3, 4)
    torch.testing.assert_close(cam.mean((2, 3)), head(maps()))


def test_cam_has_no_gradient() -> None:
    features = tuple(m.requires_grad_() for m in maps())
    head = CAMHead(6, 5)
    assert head(features).requires_grad
    assert not head.cam(features).requires_grad


def test_mixed_precision() -> None:
    """The CAM is float32 whatever the features are."""
    head = CAMHead(6, 5)
    with torch.autocast('cpu', torch.bfloat16):
        cam = head.cam(tuple(m.bfloat16() for m in maps()))
    assert cam.dtype == torch.float32
    torch.testing.assert_close(cam, head.cam(maps()), atol=0.05, rtol=0.05)


def test_unknown_pooling() -> None:
    with pytest.raises(ValueError, match=r"\['avg', 'max'\], got 'mean'"):
        CAMHead(6, 5, pooling='mean')


def test_relu_on_the_token_grid() -> None:
    """Cut off before the resize (FSR): a fused CAM then differs from ToCo's order."""
    head, cut = CAMHead(6, 5), CAMHead(6, 5, relu=True)
    cut.load_state_dict(head.state_dict())
    plain, positive = head.cam(maps()), cut.cam(maps())
    assert (plain < 0).any() and torch.equal(positive, plain.clamp_min(0))
    assert torch.equal(head(maps()), cut(maps()))  # classification is as it was
    fused = [fuse_cams([(cam, cam.flip(-1))], (9, 11)) for cam in (plain, positive)]
    assert not torch.allclose(*fused)
