# Licensed under Apache-2.0.
"""CLIP-ES's box rule and affinity."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.cam import resize
from mmwsss.cam.attention_affinity import (
    attention_refined,
    attention_transition,
    mean_patch_attention,
    spread_by_attention,
)
from mmwsss.cam.score_boxes import region_boxes, score_box_mask, score_regions
from tests.goldens.clip_model import close


def boxes_of(maps: torch.Tensor, threshold: float) -> list[set[tuple[int, ...]]]:
    """The boxes of the regions of each map (M, h, w), ends clipped as released."""
    height, width = maps.shape[-2:]
    found = region_boxes(score_regions(maps, threshold)).flatten(2)
    sets = []
    for one in found.mT.tolist():
        whole = {tuple(box) for box in one if box[2] and box[3]}
        sets.append(
            {(a, b, min(c, width - 1), min(d, height - 1)) for a, b, c, d in whole}
        )
    return sets


def stored_boxes(boxes: np.ndarray, count: int) -> set[tuple[int, ...]]:
    return {tuple(map(int, box)) for box in boxes[:count]}


def inside_another(box: tuple[int, ...], boxes: set[tuple[int, ...]]) -> bool:
    """Contours of holes add boxes that lie in others."""
    return any(
        o[0] <= box[0] and o[1] <= box[1] and o[2] >= box[2] and o[3] >= box[3]
        for o in boxes
    )


def test_boxes(golden) -> None:
    data = golden('clipes_scoremap2bbox')
    maps = torch.from_numpy(data['maps'])
    for i, threshold in enumerate(data['thresholds'].tolist()):
        mask = score_box_mask(maps[None], threshold)[0]
        np.testing.assert_array_equal(mask.numpy(), data[f'mask_{i}'] > 0)
        grey = (maps * 255).trunc()
        regions = score_regions(maps, threshold)
        cut = torch.from_numpy(data['grey_cut'][i])[:, None, None]
        assert torch.equal(regions, grey > cut)
        every = zip(
            boxes_of(maps, threshold),
            data[f'boxes_{i}'],
            data[f'counts_{i}'],
            strict=True,
        )
        for ours, boxes, count in every:
            theirs = stored_boxes(boxes, int(count)) - {(0, 0, 0, 0)}
            assert ours <= theirs
            assert all(inside_another(box, ours) for box in theirs - ours)


@pytest.fixture
def data(golden):
    return golden('clipes_caa')


def test_box_masks(data) -> None:
    cams = torch.from_numpy(data['cams'])[None]
    mask = score_box_mask(cams, float(data['threshold']))
    np.testing.assert_array_equal(mask[0].numpy(), data['mask'] > 0)


def test_transition(data) -> None:
    attention = torch.from_numpy(data['attention'])[None]
    mean = mean_patch_attention(attention, int(data['last_layers']))
    close(mean, data['mean_attention'])
    transition = attention_transition(mean, int(data['sinkhorn_rounds']))
    close(transition, data['transition'])
    close(transition @ transition, data['squared'])


def test_refined(data) -> None:
    cams = torch.from_numpy(data['cams'])[None]
    transition = torch.from_numpy(data['transition'])[None]
    mask = torch.from_numpy(data['mask'] > 0)[None]
    spread = spread_by_attention(cams, transition, mask, int(data['squarings']))
    close(spread, data['refined'])


def test_whole(data) -> None:
    found = attention_refined(
        torch.from_numpy(data['cams'])[None],
        torch.from_numpy(data['attention'])[None],
        float(data['threshold']),
        last=int(data['last_layers']),
        rounds=int(data['sinkhorn_rounds']),
        squarings=int(data['squarings']),
    )
    full = resize(found, tuple(data['photo_hw'].tolist()))
    close(full, data['highres'], 5e-5)
    np.testing.assert_allclose(
        full[0].half().float().numpy(),
        data['stored_half'].astype(np.float32),
        atol=1e-3,
    )
