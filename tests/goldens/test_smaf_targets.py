# Licensed under Apache-2.0.
"""SMAF: fusion of views, targets, L_mac and pseudo masks, from given maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.cam import strongest_class, threshold_label
from mmwsss.methods.smaf.attention_consistency import (
    AttentionConsistency,
    softmax_consistency,
)
from mmwsss.methods.smaf.reactivation import (
    attention_target,
    denoise,
    reactivate,
    resize_corners,
    softmax_attention,
)
from mmwsss.models.prediction.inference_cfg import MapFusion
from mmwsss.pipeline.refine.refine_cfg import Item, RefineCfg, refine_items
from mmwsss.structures import ImageLabels
from tests.goldens.toco_model import close

RTOL = 1e-6
PIXELS = 0.999  # of masks that agree after a CRF


def cases(data: dict, prefix: str = 'c') -> list[str]:
    """The case prefixes ``c0/``, ``c1/``, … of a file."""
    found = sorted(
        {k.split('/')[0] + '/' for k in data if '/' in k and k.startswith(prefix)}
    )
    assert found
    return found


def seed(maps: torch.Tensor, keys: np.ndarray, thr: float) -> torch.Tensor:
    """Mask (H, W) of fused maps (K, H, W); ties go to the background."""
    ids = torch.from_numpy(keys + 1)[None]
    return threshold_label(*strongest_class(maps[None], ids), thr)[0]


def views(data: dict, case: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Foreground probabilities of each scale: plain, mirrored."""
    stem = f'{case}logits/'
    scales = sorted(
        {k[len(stem) :].split('_')[0] for k in data if k.startswith(stem)}, key=float
    )
    return [
        tuple(
            torch.from_numpy(data[f'{stem}{s}_{kind}'])[None].softmax(1)[:, :-1]
            for kind in ('orig', 'flip')
        )
        for s in scales
    ]


def test_fusion(golden) -> None:
    data = golden('smaf_fuse')
    for case in cases(data):
        labels = ImageLabels.from_lists(
            [np.flatnonzero(data[f'{case}label']).tolist()], len(data[f'{case}label'])
        )
        np.testing.assert_array_equal(labels.ids[labels.mask] - 1, data[f'{case}keys'])
        size = tuple(data[f'{case}size'].tolist())
        pairs = [(labels.gather(a), labels.gather(b)) for a, b in views(data, case)]
        fusion = MapFusion(pair='sum', normalise='max')
        fused = fusion.fuse(pairs, labels, size)[0]
        fused = fused[labels.mask[0]]  # none of an image without a class
        close(fused, data[f'{case}fused'])
        mask = seed(fused, data[f'{case}keys'], float(data['thr']))
        np.testing.assert_array_equal(mask, data[f'{case}pred'])


def fused_crop(data: dict, case: str, classes: int) -> torch.Tensor:
    """The fused maps (B, C, H, W) of all classes."""
    maps = torch.from_numpy(data[f'{case}fused_crop'].astype(np.float32))
    dense = maps.new_zeros(len(maps), classes, *maps.shape[2:])
    dense[:, data[f'{case}fused_keys']] = maps
    return dense


def test_targets_and_loss(golden) -> None:
    data = golden('smaf_lmac')
    for case in cases(data):
        label = torch.from_numpy(data[f'{case}label'])
        keys, expected = data[f'{case}fused_keys'], data[f'{case}target']
        dense = fused_crop(data, case, label.shape[1])
        low = resize_corners(dense, expected.shape[-2:])
        close(low[:, keys], data[f'{case}fused_low'], RTOL)
        assert (denoise(dense, label) != dense).any()  # there is noise in the file
        target = attention_target(low, label, float(data['thr']))
        close(target, expected, RTOL)
        logits = torch.from_numpy(data[f'{case}student_logits']).requires_grad_()
        if f'{case}student_prob' in data:
            close(
                softmax_attention(logits, expected.shape[-2:]),
                data[f'{case}student_prob'],
                RTOL,
            )
        loss = softmax_consistency(logits, target)
        close(loss, data[f'{case}l_mac'], RTOL)
        total = float(data['alpha']) * AttentionConsistency()(logits, target, None)
        close(total, data[f'{case}loss_total'], RTOL)
        total.backward()
        close(logits.grad, data[f'{case}grad_logits'], RTOL)


def test_padding_is_background(golden) -> None:
    """Where nothing is active the background alone is 1; the winner always is."""
    data = golden('smaf_lmac')
    for case in cases(data):
        target = torch.from_numpy(data[f'{case}target'])
        idle = target[:, :-1].amax(1) == 0
        assert idle.any() and (target[:, -1][idle] == 1).all()
        torch.testing.assert_close(reactivate(target), target)


@pytest.mark.parametrize('crf', [False, True])
def test_pseudo_masks(golden, crf: bool) -> None:
    data = golden('smaf_pseudo')
    for case in cases(data, 's'):
        maps = torch.from_numpy(data[f'{case}fused'].astype(np.float32))
        mask = seed(maps, data[f'{case}keys'], float(data['thr']))
        if not crf:
            np.testing.assert_array_equal(mask, data[f'{case}pred'])
            continue
        refined = refined_masks(data, case, 21)
        agree = (refined == data[f'{case}pred_crf']).mean()
        assert agree >= PIXELS, agree


def refined_masks(data: dict, case: str, num_classes: int | None) -> np.ndarray:
    """The stored mask after the CRF of hard labels, in a label set of that size."""
    mask = torch.from_numpy(data[f'{case}pred']).long()
    ids = mask.unique() if num_classes is None else torch.arange(num_classes)
    item = Item(
        torch.from_numpy(data[f'{case}image'].copy()).permute(2, 0, 1),
        (mask == ids[:, None, None]).float(),
        ids,
    )
    cfg = RefineCfg(kind='label', preset='smaf_pseudo', num_classes=num_classes)
    return refine_items(cfg, [item])[0]


def test_the_compact_label_set_is_another(golden) -> None:
    """IRN's label set gives other masks, so that the option is worth its name."""
    data = golden('smaf_pseudo')
    differ = [
        (refined_masks(data, case, None) != data[f'{case}pred_crf']).mean()
        for case in cases(data, 's')
    ]
    assert max(differ) > 1 - PIXELS
