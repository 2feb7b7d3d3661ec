# Licensed under Apache-2.0.
"""AFA's labels, propagation and refinement against the published functions."""

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
    label_on_grid,
    long_side_size,
    resize,
    scale_order,
    scaled_size,
    strongest_class,
    threshold_label,
    truncate_to_unit,
    window_mask,
)
from mmwsss.labelers.soft_maps import background_stacks
from mmwsss.methods.afa.box_refine import par_in_boxes, refined_propagated_label
from mmwsss.methods.afa.propagation import (
    propagate,
    propagate_cams,
    transition_matrix,
)
from mmwsss.models.losses.affinity_loss import affinity_loss
from mmwsss.ops import PAR
from mmwsss.structures import ImageLabels
from tests.goldens.test_toco_cam import MEAN, STD, close, equal, present
from tests.helpers.published_labels import refined_label

MARGIN = 1e-4


def long(array: np.ndarray) -> Tensor:
    """Integers as int64."""
    return torch.from_numpy(array.astype(np.int64))


def pair(array: np.ndarray) -> tuple[int, int]:
    """A size."""
    return int(array[0]), int(array[1])


def scatter(compact: Tensor, labels: ImageLabels, classes: int) -> Tensor:
    """Maps (B, K + 1, …) of background and present classes → (B, C + 1, …)."""
    full = compact.new_zeros(len(compact), classes, *compact.shape[2:])
    full[:, 0] = compact[:, 0]
    for image, (ids, mask) in enumerate(zip(labels.ids, labels.mask, strict=True)):
        full[image, ids[mask]] = compact[image, 1:][mask]
    return full


# ------------------------------------------------------------- affinity
def cases(data: dict) -> list[str]:
    """The cases that a file holds."""
    return [
        key.removesuffix('_aff_label') for key in data if key.endswith('_aff_label')
    ]


def window_of(data: dict, case: str) -> Tensor | None:
    """The window of a case, ``None`` for radius -1."""
    radius = int(data[f'{case}_radius'])
    grid = pair(data[f'{case}_token_hw'])
    return None if radius < 0 else window_mask(grid, radius)


def test_window_mask(golden) -> None:
    data = golden('afa_affinity')
    names = [k for k in data if k.startswith('mask') and not k.endswith('hwr')]
    assert names
    for name in names:
        height, width, radius = (int(v) for v in data[f'{name}_hwr'])
        equal(window_mask((height, width), radius).to(torch.uint8), data[name])


def test_affinity_targets(golden) -> None:
    data = golden('afa_affinity')
    for case in cases(data):
        label, grid = long(data[f'{case}_label']), pair(data[f'{case}_token_hw'])
        assert grid == tuple(n // int(data['stride']) for n in label.shape[1:])
        targets = affinity_targets(
            label_on_grid(label, grid), window_of(data, case), self_pairs=True
        )
        equal(targets, data[f'{case}_aff_label'])
        assert int((targets == 1).sum()) + 1 == data[f'{case}_n_pos_plus1']
        assert int((targets == 0).sum()) + 1 == data[f'{case}_n_neg_plus1']


def test_affinity_loss(golden) -> None:
    data = golden('afa_affinity')
    for case in cases(data):
        pred = torch.from_numpy(data[f'{case}_pred']).requires_grad_()
        loss = affinity_loss(pred, torch.from_numpy(data[f'{case}_aff_label']))
        loss.backward()
        close(loss, data[f'{case}_loss'])
        close(pred.grad, data[f'{case}_grad'])


# ------------------------------------------------------------- propagation
@pytest.fixture
def walk(golden) -> dict:
    """The file, its labels and its compact CAM."""
    data = golden('afa_propagation')
    labels = present(data['cls_label'])
    cam = labels.valid(labels.gather(torch.from_numpy(data['train_cam'])))
    return data | dict(labels=labels, cam=cam, grid=pair(data['train_token_hw']))


def plain_affinity(walk: dict) -> Tensor:
    """Affinity of the un-mirrored images at the largest scale."""
    largest = int(np.argmax(scale_order(walk['train_scales'].tolist())))
    both = torch.from_numpy(walk[f'train_raw_aff_{largest}'])
    return both[: len(walk['cls_label'])]


def test_fusion_and_sizes(walk) -> None:
    size = pair(walk['train_image_hw'])
    scales = scale_order(walk['train_scales'].tolist())
    calls = [list(scaled_size(size, s)) for s in scales]
    assert calls == walk['train_call_hw'].tolist()
    assert walk['grid'] == tuple(n // 16 for n in scaled_size(size, max(scales)))
    raw = [
        torch.from_numpy(walk[f'train_raw_cam_{j}']).chunk(2)
        for j in range(len(scales))
    ]
    close(fuse_cams(raw, size), walk['train_cam'])


def test_propagation_stages(walk) -> None:
    labels, grid = walk['labels'], walk['grid']
    classes = walk['cls_label'].shape[1] + 1
    tokens = resize(walk['cam'], grid)
    close(
        scatter(torch.cat([tokens[:, :1] * 0, tokens], 1), labels, classes)[:, 1:],
        walk['train_cam_valid_tokens'],
    )
    window = window_mask(grid, int(walk['radius']))
    transition = transition_matrix(plain_affinity(walk), window)
    close(transition[0], walk['train_transition_img0'])
    for level in ('low', 'high'):
        constant = torch.tensor([float(walk[f'{level}_bkg'])])
        soft = background_stacks(tokens, labels, constant)[:, 0]
        close(scatter(soft, labels, classes), walk[f'train_softmax_{level}'])
        close(
            scatter(propagate(soft, transition), labels, classes),
            walk[f'train_prop_tokens_{level}'],
        )
    soft = background_stacks(tokens, labels, torch.tensor([float(walk['low_bkg'])]))[
        :, 0
    ]
    free = propagate(soft, transition_matrix(plain_affinity(walk)))
    close(scatter(free, labels, classes), walk['train_prop_tokens_low_nomask'])


def test_propagated_cams(walk) -> None:
    """The whole step; low and high share the transition matrix."""
    both = propagate_cams(
        walk['cam'],
        walk['labels'],
        plain_affinity(walk),
        walk['grid'],
        (float(walk['high_bkg']), float(walk['low_bkg'])),
        int(walk['radius']),
    )
    classes = walk['cls_label'].shape[1] + 1
    close(scatter(both[:, 1], walk['labels'], classes), walk['train_prop_low'])
    tokens = torch.nn.functional.interpolate(
        torch.from_numpy(walk['train_prop_tokens_high']),
        both.shape[-2:],
        mode='bilinear',
    )
    close(scatter(both[:, 0], walk['labels'], classes), tokens.numpy())


def test_variant_without_background(walk) -> None:
    """An unused variant of the release: no softmax either, smaller eps."""
    tokens = torch.from_numpy(walk['train_cam_valid_tokens'])
    window = window_mask(walk['grid'], int(walk['radius']))
    transition = transition_matrix(plain_affinity(walk), window, eps=1e-4)
    close(propagate(tokens, transition), walk['nobkg_prop_tokens'])


def test_propagation_at_evaluation(golden) -> None:
    data = golden('afa_propagation')
    labels, grid = present(data['eval_cls_label']), pair(data['eval_token_hw'])
    size = pair(data['eval_image_hw'])
    assert grid == tuple(-(-n // 16) for n in size)
    cam, affinity = (torch.from_numpy(data[f'eval_{k}']) for k in ('cam', 'aff'))
    close(resize(cam, grid), data['eval_cam_tokens'])
    radius = int(data['radius'])
    transition = transition_matrix(affinity, window_mask(grid, radius))
    close(transition[0], data['eval_transition'])
    compact = labels.gather(cam)
    maps = propagate_cams(
        compact, labels, affinity, grid, (float(data['eval_bkg']),), radius
    )[:, 0]
    classes = data['eval_cls_label'].shape[1] + 1
    close(scatter(maps, labels, classes), data['eval_prop'])
    sure = data['eval_margin'] > 1e-5
    label = labels.to_ids(maps.argmax(1))
    equal(label[torch.from_numpy(sure)], data['eval_label'][sure])
    plain = threshold_label(
        *strongest_class(labels.valid(compact), labels.ids),
        float(data['eval_cam_thre']),
    )
    equal(plain, data['eval_cam_label'])


# ------------------------------------------------------------- refinement
@pytest.fixture
def refine(golden) -> dict:
    """The file with its labels, pixels and boxes."""
    data = golden('afa_refine')
    return data | dict(
        labels=present(data['cls_label']),
        box=long(data['img_box']),
        pixels=torch.from_numpy(data['denorm_uint8']).float() / 255,
        high=float(data['high_thre']),
        low=float(data['low_thre']),
    )


def iterations(data: dict) -> list[int]:
    """Numbers of iterations for which the file holds labels."""
    prefix = 'cam_refined_label_iter'
    return [int(k.removeprefix(prefix)) for k in data if k.startswith(prefix)]


def propagated(data: dict, level: str) -> Tensor:
    """Stored maps, background and present classes only."""
    full = torch.from_numpy(data[f'prop_{level}'])
    foreground = data['labels'].valid(data['labels'].gather(full[:, 1:]))
    return torch.cat([full[:, :1], foreground], 1)


def test_denormalised_image(refine) -> None:
    unit = truncate_to_unit(
        denormalise(torch.from_numpy(refine['normalised']), MEAN, STD)
    )
    equal((unit * 255).round().to(torch.uint8), refine['denorm_uint8'])


def test_label_from_the_cam(refine) -> None:
    labels = refine['labels']
    cam = labels.valid(labels.gather(torch.from_numpy(refine['cams'])))
    assert iterations(refine)
    for count in iterations(refine):
        par = PAR(refine['dilations'].tolist(), count)
        label = refined_label(
            refine['pixels'],
            cam,
            labels,
            refine['high'],
            refine['low'],
            par,
            refine['box'],
        )
        sure = refine[f'cam_unsure_iter{count}'] == 0
        equal(
            label[torch.from_numpy(sure)],
            refine[f'cam_refined_label_iter{count}'][sure],
        )
        assert sure.mean() > 0.97


def test_refined_propagated_maps(refine) -> None:
    par = PAR(refine['dilations'].tolist(), min(iterations(refine)))
    maps = par_in_boxes(refine['pixels'], propagated(refine, 'low'), refine['box'], par)
    expected = refine['prop_refined_low']
    close(scatter(maps, refine['labels'], expected.shape[1]), expected)
    for level in ('low', 'high'):
        maps = par_in_boxes(
            refine['pixels'], propagated(refine, level), refine['box'], par
        )
        top = maps.topk(2, dim=1).values
        sure = (top[:, 0] - top[:, 1] > MARGIN) | (top[:, 0] == 0)
        label = refine['labels'].to_ids(maps.argmax(1))
        equal(label[sure], refine[f'prop_argmax_{level}'][sure.numpy()])


def test_label_from_the_propagation(refine) -> None:
    stacks = torch.stack([propagated(refine, k) for k in ('high', 'low')], 1)
    for count in iterations(refine):
        par = PAR(refine['dilations'].tolist(), count)
        label = refined_propagated_label(
            refine['pixels'], stacks, refine['labels'], par, refine['box']
        )
        sure = refine[f'prop_unsure_iter{count}'] == 0
        equal(
            label[torch.from_numpy(sure)],
            refine[f'prop_refined_label_iter{count}'][sure],
        )
        assert sure.mean() > 0.97


# ------------------------------------------------------------- test time
def test_test_time_fusion(golden) -> None:
    data = golden('afa_tta_fusion')
    size = pair(data['image_hw'])
    resized = long_side_size(size, int(data['resize_long']))
    scales = scale_order(data['scales'].tolist())
    assert [list(scaled_size(resized, s)) for s in scales] == data['call_hw'].tolist()
    raw = [torch.from_numpy(data[f'raw_{j}']) for j in range(len(scales))]
    pairs = [(r[:1], r[1:]) for r in raw]
    grid = tuple(raw[0].shape[-2:])
    assert grid == data['fused_logits'].shape[-2:]
    close(fuse_seg_logits(pairs, grid, 'mean', 'max'), data['fused_logits'])
    fused = fuse_seg_logits(pairs, size, 'mean', 'max', grid=grid)
    sure = data['fused_margin'] > MARGIN
    equal(fused.argmax(1)[torch.from_numpy(sure)], data['fused_label'][sure])
    close(pairs[0][0], data['single_logits'])
    single = fuse_seg_logits([(pairs[0][0], None)], size)
    top = single.topk(2, dim=1).values
    sure = top[:, 0] - top[:, 1] > MARGIN
    equal(single.argmax(1)[sure], data['single_label'][sure.numpy()])
    at_label = fuse_seg_logits(pairs, size, 'mean', 'max')
    assert not torch.allclose(at_label, fused, atol=1e-3)
