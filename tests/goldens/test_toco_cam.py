# Licensed under Apache-2.0.
"""CAM fusion and label rules against ToCo's own functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mmwsss.cam import (
    affinity_targets,
    denormalise,
    fuse_cams,
    fuse_seg_logits,
    outside_box_to_ignore,
    resize,
    scale_order,
    scaled_size,
    strongest_class,
    three_way_label,
    threshold_label,
    truncate_to_unit,
)
from mmwsss.labelers.soft_maps import merge_high_low
from mmwsss.methods.toco.local_crops import (
    crop_candidates,
    crop_flags,
    cut_crops,
    roi_levels,
)
from mmwsss.ops import par
from mmwsss.structures import ImageLabels
from tests.helpers.published_labels import refine_soft_maps, refined_label

# What the files don't hold: the statistics and the settings of their description.
MEAN = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
STD = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
MARGIN = 1e-4


def close(ours: Tensor, theirs: np.ndarray, rtol: float = 1e-5) -> None:
    """Equal to ``rtol`` of the largest magnitude."""
    expected = torch.from_numpy(np.asarray(theirs))
    scale = expected.abs().max().clamp_min(1e-12).item() if expected.numel() else 1
    torch.testing.assert_close(
        ours.detach().to(expected.dtype), expected, rtol=0, atol=rtol * scale
    )


def equal(ours: Tensor, theirs: np.ndarray) -> None:
    """Equal in every element."""
    np.testing.assert_array_equal(ours.numpy(), theirs)


def present(cls_label: np.ndarray) -> ImageLabels:
    """Labels of a multi-hot array (B, C)."""
    lists = [np.flatnonzero(row).tolist() for row in cls_label]
    return ImageLabels.from_lists(lists, cls_label.shape[1])


@pytest.mark.parametrize('case', 'abc')
@pytest.mark.parametrize('tap', ['cam', 'aux'])
def test_multi_scale_fusion(golden, case: str, tap: str) -> None:
    data = golden('toco_multiscale_cam')
    size = tuple(int(v) for v in data[f'{case}_image_hw'])
    scales = scale_order(data[f'{case}_scales'].tolist())
    calls = [list(scaled_size(size, s)) for s in scales]
    assert calls == data[f'{case}_call_hw'].tolist()
    raw = [
        torch.from_numpy(data[f'{case}_raw_{tap}_{j}']).chunk(2)
        for j in range(len(scales))
    ]
    name = 'cam' if tap == 'cam' else 'cam_aux'
    close(fuse_cams(raw, size), data[f'{case}_{name}'])


@pytest.fixture
def rule(golden) -> dict:
    """Everything of toco_cam_to_label, with full and compact strongest classes."""
    data = golden('toco_cam_to_label')
    cam, labels = torch.from_numpy(data['cam']), present(data['cls_label'])
    compact = labels.valid(labels.gather(cam))
    return data | dict(
        full=strongest_class(cam * labels.score[..., None, None]),
        compact=strongest_class(compact, labels.ids),
        box=torch.from_numpy(data['img_box']).long(),
        bkg=float(data['bkg_thre']),
        thr=(float(data['low_thre']), float(data['high_thre'])),
    )


@pytest.mark.parametrize('form', ['full', 'compact'])
def test_label_rules(rule, form: str) -> None:
    score, label = rule[form]
    plain = threshold_label(score, label, rule['bkg'])
    equal(plain, rule['label_no_box'])
    inside = outside_box_to_ignore(plain, rule['box'])
    equal(inside, rule['label_no_box_restricted_to_box'])
    equal(inside, rule['label_box_no_ignore_mid'])
    equal(
        three_way_label(score, label, *rule['thr'], rule['box']),
        rule['label_box_ignore_mid'],
    )


def test_valid_cam(rule) -> None:
    labels = present(rule['cls_label'])
    valid = torch.from_numpy(rule['cam']) * labels.score[..., None, None]
    equal(valid, rule['valid_cam'])
    equal(valid, rule['get_valid_cam'])
    assert torch.equal(labels.valid(labels.gather(valid)).amax(1), valid.amax(1))


def test_token_labels_with_unscaled_box(rule) -> None:
    tokens = resize(torch.from_numpy(rule['cam']), rule['cam_tokens'].shape[-2:])
    close(tokens, rule['cam_tokens'])
    labels = present(rule['cls_label'])
    cam = torch.from_numpy(rule['cam_tokens'])
    score, label = strongest_class(labels.valid(labels.gather(cam)), labels.ids)
    box = torch.from_numpy(rule['img_box_pixels']).long()
    equal(
        three_way_label(score, label, *rule['thr'], box),
        rule['label_tokens_unscaled_box'],
    )


def test_roi_levels(golden) -> None:
    data = golden('toco_roi_mask')
    labels = present(data['cls_label'])
    score = (torch.from_numpy(data['cam']) * labels.score[..., None, None]).amax(1)
    equal(
        roi_levels(score, float(data['low_thre']), float(data['high_thre'])),
        data['roi_mask'],
    )


def test_local_crops(golden) -> None:
    data = golden('toco_local_crops')
    size, num = int(data['crop_size']), int(data['crop_num'])
    roi = torch.from_numpy(data['roi_mask']).long()
    candidates = crop_candidates(roi, size, num)
    equal(candidates.flatten(1).sum(1), data['n_candidates'])
    picked = torch.from_numpy(data['picked_candidate_index'])
    positions = [torch.nonzero(c)[p] for c, p in zip(candidates, picked, strict=True)]
    corners = torch.stack(positions)
    equal(corners, data['top_left_yx'])
    equal(cut_crops(torch.from_numpy(data['images']), corners, size), data['crops'])
    equal(crop_flags(roi, corners, size, data['flags'].shape[1] - num), data['flags'])


@pytest.mark.parametrize('case', 'abcd')
def test_affinity_targets(golden, case: str) -> None:
    data = golden('toco_aff_mask')
    label = torch.from_numpy(data[f'label_{case}'].astype(np.int64))
    equal(affinity_targets(label), data[f'mask_{case}'])


@pytest.mark.parametrize(
    'name,downscale', [('refined_label', 2), ('refined_label_downscale4', 4)]
)
def test_refined_label(golden, name: str, downscale: int) -> None:
    data = golden('toco_refine_cams')
    labels = present(data['cls_label'])
    images = torch.from_numpy(data['images01'])
    cam = labels.gather(torch.from_numpy(data['valid_cams']))
    thresholds = dict(
        high_thr=float(data['high_thre']), low_thr=float(data['low_thre'])
    )
    box = torch.from_numpy(data['img_box']).long()
    soft = refine_soft_maps(
        images, cam, labels, refine=par, downscale=downscale, **thresholds
    )
    top = soft.topk(2, dim=2).values
    sure = ((top[:, :, 0] - top[:, :, 1]) > MARGIN).all(1)
    label = refined_label(
        images, cam, labels, refine=par, box=box, downscale=downscale, **thresholds
    )
    equal(label[sure], data[name][sure.numpy()])
    assert sure.float().mean() > 0.97


def test_refined_soft_maps(golden) -> None:
    data = golden('toco_refine_cams')
    labels = present(data['cls_label'])
    soft = refine_soft_maps(
        torch.from_numpy(data['images01']),
        labels.gather(torch.from_numpy(data['valid_cams'])),
        labels,
        float(data['high_thre']),
        float(data['low_thre']),
        par,
    )
    slots = len(data['soft_high_img0'])
    for level, name in enumerate(('high', 'low')):
        close(soft[0, level, :slots], data[f'soft_{name}_img0'])
        ours = labels.to_ids(soft[:, level].argmax(1))
        sure = data[f'margin_{name}'] > MARGIN
        equal(ours[torch.from_numpy(sure)], data[f'label_{name}'][sure])
    # the merge, from the stored class maps
    high, low = (
        torch.from_numpy(data[f'label_{n}'].astype(np.int64)) for n in ('high', 'low')
    )
    box = torch.from_numpy(data['img_box']).long()
    equal(merge_high_low(high, low, box), data['refined_label'])


def test_denormalised_image(golden) -> None:
    data = golden('toco_refine_cams')
    unit = truncate_to_unit(
        denormalise(torch.from_numpy(data['normalised']), MEAN, STD)
    )
    close(unit, data['images01'], rtol=1e-6)
    equal((unit * 255).round().to(torch.uint8), data['denorm_uint8'])


@pytest.mark.parametrize(
    'protocol,pair,fuse', [('voc', 'sum', 'max'), ('coco', 'max', 'sum')]
)
def test_test_time_fusion(golden, protocol: str, pair: str, fuse: str) -> None:
    data = golden('toco_tta_fusion')
    count = len(data[f'{protocol}_scales'])
    raw = [torch.from_numpy(data[f'{protocol}_raw_{j}']) for j in range(count)]
    size = tuple(int(v) for v in data[f'{protocol}_label_hw'])
    fused = fuse_seg_logits([(r[:1], r[1:]) for r in raw], size, pair, fuse)
    close(fused, data[f'{protocol}_fused'])
