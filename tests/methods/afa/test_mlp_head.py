# Licensed under Apache-2.0.
from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mmwsss.methods.afa.mit_keys import convert_afa
from mmwsss.methods.afa.mlp_head import MLPHead

SIZES = ((12, 16), (6, 8), (3, 4), (3, 4))
WIDTHS = (4, 6, 8, 10)


@pytest.fixture
def head() -> MLPHead:
    torch.manual_seed(0)
    return MLPHead(WIDTHS, 5, num_classes=3, norm_cfg=dict(type='BN'))


def maps(batch: int = 2) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(batch, width, *size, generator=generator)
        for width, size in zip(WIDTHS, SIZES)
    )


def test_parameters(head) -> None:
    shapes = {k: tuple(p.shape) for k, p in head.named_parameters()}
    assert shapes == {
        'conv_seg.weight': (3, 5, 1, 1),
        'conv_seg.bias': (3,),
        **{f'convs.{i}.conv.weight': (5, w, 1, 1) for i, w in enumerate(WIDTHS)},
        **{f'convs.{i}.conv.bias': (5,) for i in range(4)},
        'fusion_conv.conv.weight': (5, 20, 1, 1),
        'fusion_conv.bn.weight': (5,),
        'fusion_conv.bn.bias': (5,),
    }


@pytest.mark.parametrize('training', [False, True])
def test_fusing_first_is_the_published_order(head, training: bool) -> None:
    """mmseg's own forward resizes, joins, fuses: the same numbers."""
    head.train(training)
    head.dropout = None
    published = type(head).__mro__[1].forward(head, maps())
    torch.testing.assert_close(head(maps()), published, atol=1e-5, rtol=1e-5)
    assert published.shape == (2, 3, 12, 16)


def test_dropout_and_norm(head) -> None:
    assert isinstance(head.dropout, torch.nn.Dropout2d) and head.dropout.p == 0.1
    head.train()(maps())
    assert head.fusion_conv.norm.num_batches_tracked == 1
    norm = MLPHead(num_classes=3).fusion_conv.norm
    assert isinstance(norm, torch.nn.SyncBatchNorm)


def test_order_of_the_released_fusion() -> None:
    """Released columns are of stages 4, 3, 2, 1."""
    columns = torch.arange(4.0).repeat_interleave(5).expand(5, 20)[..., None, None]
    weight = convert_afa({'module.decoder.linear_fuse.conv.weight': columns})
    ours = weight['decode_head.fusion_conv.conv.weight']
    assert ours[0, ::5, 0, 0].tolist() == [3, 2, 1, 0]
