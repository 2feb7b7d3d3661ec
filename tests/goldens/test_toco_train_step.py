# Licensed under Apache-2.0.
"""One whole ToCo iteration: stages, losses, gradients, EMA."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from mmseg.structures import SegDataSample

from mmwsss.cam import resize, strongest_class, three_way_label, truncate_to_unit
from mmwsss.methods.toco.local_crops import crop_flags, cut_crops, roi_levels
from mmwsss.methods.toco.toco_keys import convert_toco
from mmwsss.structures import FusedCAMs, ImageLabels, valid_boxes
from tests.goldens.toco_model import close, tiny_toco
from tests.helpers.published_labels import refine_soft_maps

GRAD_RTOL = 1e-4
MARGIN = 1e-4  # best minus second-best score below which a pixel isn't compared
# What the file doesn't hold: the VOC setting of its description.
WEIGHTS = dict(cls=1.0, cls_aux=1.0, ptc=0.2, ctc=0.5, seg=0.1, reg=0.05)
SCALES = (1.0, 0.5, 1.5)
TERMS = dict(total_warmup=4, total_no_reg=5, total_with_reg=6)


@pytest.fixture
def step(golden):
    """The file, and a function that builds the model with some of the terms."""
    data = golden('toco_train_step')
    _, high, low = (float(v) for v in data['thresholds_bkg_high_low'])

    def build(terms: int = 6):
        MessageHub.get_current_instance().update_info('iter', 0)
        weights = dict(list(WEIGHTS.items())[:terms])
        return tiny_toco(
            data,
            temperature=float(data['temp']),
            thresholds=(low, high),
            train_cfg=dict(
                weights=weights,
                cam=dict(scales=SCALES),
                local_crops=dict(
                    crop_num=int(data['ncrops']) - 2, crop_size=int(data['crop_size'])
                ),
                ema_momentum=float(data['momentum']),
            ),
        )

    return data, build


def batch(data, model) -> dict:
    """Inputs and samples as the data preprocessor hands them to the model."""
    views = dict(view1='view1', view2='view2', local='local_source')
    inputs = {
        name: list(torch.from_numpy(data[f'{key}_uint8']))
        for name, key in views.items()
    }
    samples = []
    for label, box in zip(data['cls_label'], data['img_box'], strict=True):
        sample = SegDataSample(metainfo=dict(gt_labels=tuple(np.flatnonzero(label))))
        sample.set_data(dict(valid_box=torch.from_numpy(box.astype(np.int64))))
        samples.append(sample)
    return model.data_preprocessor(dict(inputs=inputs, data_samples=samples), True)


def injected(data, model, monkeypatch) -> dict[str, torch.Tensor]:
    """The losses with the file's crop corners in place of drawn ones.

    Its CAMs too, so that a last bit at a threshold can't flip a label: `test_stages`
    compares the model's own with them.
    """
    corners = torch.from_numpy(data['top_left_yx'])
    monkeypatch.setattr('mmwsss.methods.toco.toco.draw_corners', lambda *_: corners)
    inputs = batch(data, model)
    labels = model.image_labels(inputs['data_samples'], corners.device)
    cams = FusedCAMs(*(compact(data, name, labels) for name in ('cam', 'cam_aux')))
    monkeypatch.setattr(model, 'fused_cams', lambda *_: cams)
    return model.loss(**inputs)


def compact(data, name: str, labels: ImageLabels) -> torch.Tensor:
    """A stored map of all classes, reduced to those that the images hold."""
    return labels.valid(labels.gather(torch.from_numpy(data[name])))


def test_stages(step) -> None:
    data, build = step
    model = build()
    inputs, samples = batch(data, model).values()
    view1 = inputs['view1']
    features = model.encode(view1)
    close(model.cam_head(features.maps), data['cls'])
    close(model.aux_cam_head(features.maps), data['cls_aux'])
    close(model.decode_head(features.maps), data['seg'])

    # CAMs of the classes that the images hold
    labels = model.image_labels(samples, view1.device)
    for reuse in (features, None):
        cams = model.fused_cams(view1, labels, reuse)
        for ours, name in zip(cams, ('cam', 'cam_aux'), strict=True):
            close(ours, compact(data, name, labels).numpy())

    # every label rule from the stored maps
    low, high = model.labeler.thresholds
    size = int(data['crop_size'])
    roi = roi_levels(compact(data, 'cam_aux', labels).amax(1), low, high)
    np.testing.assert_array_equal(roi.numpy(), data['roi_mask'])
    corners = torch.from_numpy(data['top_left_yx'])
    np.testing.assert_array_equal(crop_flags(roi, corners, size), data['flags'])
    box = valid_boxes(samples)
    grid = data['token_label'].shape[-2:]
    score, label = strongest_class(
        resize(compact(data, 'cam_aux', labels), tuple(grid)), labels.ids
    )
    np.testing.assert_array_equal(
        three_way_label(score, label, low, high, box), data['token_label']
    )
    pixels = truncate_to_unit(model.grey_levels(view1))
    close(pixels, data['view1_denorm_uint8'].astype(np.float32) / 255, 1e-6)
    cam = compact(data, 'cam', labels)
    soft = refine_soft_maps(pixels, cam, labels, high, low, model.labeler.refiner)
    top = soft.topk(2, dim=2).values
    sure = ((top[:, :, 0] - top[:, :, 1]) > MARGIN).all(1)
    refined = model.pseudo_label(view1, cam, labels, box)
    np.testing.assert_array_equal(refined[sure], data['refined_label'][sure.numpy()])
    assert sure.float().mean() > 0.97

    # both projections
    model.proj_head_ema.follow(model.proj_head, model.train_cfg['ema_momentum'])
    tokens = model.encode(torch.cat([view1, inputs['view2']])).cls_token
    crops = cut_crops(inputs['local'], corners, size)
    local = model.encode(crops.flatten(0, 1)).cls_token
    close(model.proj_head_ema(tokens), data['out_teacher'])
    close(model.proj_head(torch.cat([tokens, local])), data['out_student'])


def test_losses(step, monkeypatch) -> None:
    data, build = step
    losses = injected(data, build(), monkeypatch)
    for term, weight in WEIGHTS.items():
        name = 'loss_reg_lattice' if term == 'reg' else f'loss_{term}'
        close(losses[f'loss_{term}'] / weight, data[name])


@pytest.mark.parametrize('total', TERMS)
def test_totals_and_idle_modules(step, monkeypatch, total: str) -> None:
    data, build = step
    model = build(TERMS[total])
    losses = injected(data, model, monkeypatch)
    loss = sum(v for k, v in losses.items() if k.startswith('loss_'))
    close(loss, data[total])
    loss.backward()
    decoder = [p.grad for p in model.decode_head.parameters()]
    assert all(g is not None for g in decoder)  # zero gradients, as released
    assert any(g.any() for g in decoder) == (total != 'total_warmup')


@pytest.mark.parametrize(
    'total,suffix', [('total_no_reg', 'no_reg'), ('total_with_reg', 'with_reg')]
)
def test_gradients(step, monkeypatch, total: str, suffix: str) -> None:
    data, build = step
    model = build(TERMS[total])
    losses = injected(data, model, monkeypatch)
    sum(v for k, v in losses.items() if k.startswith('loss_')).backward()
    ours = dict(model.named_parameters())
    released = [str(n) for n in data['grad_names']]
    names = {n: next(iter(convert_toco({n: torch.empty(0)}))) for n in released}
    norms = torch.stack([ours[names[n]].grad.norm() for n in released])
    expected = data[f'grad_norms_{suffix}']
    np.testing.assert_allclose(norms, expected, rtol=1e-3, atol=1e-4 * expected.max())
    prefix = 'grad.' if suffix == 'no_reg' else 'grad_with_reg.'
    stored = {k: v for k, v in data.items() if k.startswith(prefix)}
    assert stored
    for key, value in stored.items():
        close(ours[names[key.removeprefix(prefix)]].grad, value, GRAD_RTOL)
    trained = {k for k, p in ours.items() if p.grad is not None}
    assert trained == set(names.values())


def test_teacher_after_the_step(step, monkeypatch) -> None:
    data, build = step
    model = build()
    injected(data, model, monkeypatch)
    after = {k: v for k, v in data.items() if k.startswith('sd_after.')}
    assert after
    ours = model.state_dict()
    for key, value in after.items():
        name = next(iter(convert_toco({key.removeprefix('sd_after.'): torch.empty(0)})))
        close(ours[name], value)
