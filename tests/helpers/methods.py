# Licensed under Apache-2.0.
"""Tiny models, batches and steps that the tests of all methods share."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope
from mmengine.structures import BaseDataElement, PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cli.inference_options import segmentor_cfg
from mmwsss.models.loss_schedule import StepSchedule
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.teachers.ema_copy import EMACopy
from mmwsss.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]
LABEL_SHARE = 2e-3  # of the pixels: those on an edge may fall to the other side
SIZE = 96
VIEWS = ('view1', 'view2', 'local')
#: the samples' image labels; the last one has none
LABELS = ((0, 3), (2,), (5, 1, 4), ())


def build(
    config: str, seed: int = 0, backbone: dict | None = None, **train_cfg
) -> WeakSegmentor:
    """A model with seeded random weights; no file is read but the config."""
    cfg = Config.fromfile(ROOT / config)
    init_default_scope('mmwsss')
    segmentor_cfg(cfg).backbone.update(backbone or {})
    segmentor_cfg(cfg).backbone.pretrained = None
    if train_cfg:
        cfg.model.train_cfg.update(train_cfg)
    with tempfile.TemporaryDirectory() as folder:
        if 'caae' in cfg.model:
            cfg.model.caae.checkpoint = earlier_stage(
                cfg.model.caae, folder, cfg.model.num_classes
            )
        if 'segmentor' in cfg.model:
            base = cfg.model.segmentor
            cfg.model.checkpoint = earlier_stage(base, folder, base.num_classes, seed)
        torch.manual_seed(seed)
        model = MODELS.build(cfg.model)
        model.init_weights()
    for module in model.modules():
        if isinstance(module, EMACopy):  # so that teacher and student can be told apart
            for parameter in module.parameters():
                parameter.data += 0.01 * torch.randn_like(parameter)
    return model


def earlier_stage(
    cfg: dict, folder: str | Path, num_classes: int, seed: int = 0
) -> str:
    """The checkpoint of an earlier stage's network with seeded random weights."""
    torch.manual_seed(seed)
    settings = {k: v for k, v in cfg.items() if k != 'checkpoint'}
    network = MODELS.build(settings | dict(num_classes=num_classes))
    network.init_weights()
    path = Path(folder) / 'earlier.pth'
    torch.save(dict(state_dict=network.state_dict()), path)
    return str(path)


def pictures(
    count: int, size: tuple[int, int] = (SIZE, SIZE), seed: int = 0
) -> list[Tensor]:
    """Smooth random pictures with some noise, (3, H, W) uint8."""
    generator = torch.Generator().manual_seed(seed)
    coarse = 255 * torch.rand(count, 3, 5, 5, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size, mode='bicubic')
    noise = 20 * torch.randn(count, 3, *size, generator=generator)
    return list((smooth + noise).clamp(0, 255).to(torch.uint8))


def sample(
    labels: Sequence[int] | None,
    size: tuple[int, int],
    index: int = 0,
    box: Sequence[int] | None = None,
) -> SegDataSample:
    """A data sample as the pipelines pack it."""
    meta = dict(img_path=f'{index}.jpg', img_id=str(index), ori_shape=size)
    if labels is not None:
        meta['gt_labels'] = tuple(labels)
    out = SegDataSample(metainfo=meta)
    if box is not None:
        out.set_data(dict(valid_box=torch.tensor(box)))
    return out


def saliency_map(index: int) -> PixelData:
    """A soft disc (1, SIZE, SIZE) in [0, 1], another one for each image."""
    axis = torch.linspace(-1, 1, SIZE)
    centre = torch.linspace(-0.4, 0.4, 4)[index % 4]
    distance = ((axis[:, None] - centre) ** 2 + (axis[None] + centre) ** 2).sqrt()
    return PixelData(data=(4 * (0.6 - distance)).sigmoid()[None])


def train_batch(model: WeakSegmentor, images: Sequence[int] = (0, 1)) -> dict:
    """``inputs`` and ``data_samples`` of a training step, for images of LABELS."""
    boxes = ((0, 96, 0, 96), (8, 96, 0, 80), (0, 64, 16, 96), (0, 96, 0, 96))
    views = {
        name: [pictures(4, seed=seed)[i] for i in images]
        for seed, name in enumerate(VIEWS)
    }
    samples = [sample(LABELS[i], (SIZE, SIZE), i, boxes[i]) for i in images]
    for i, one in zip(images, samples, strict=True):
        one.saliency = saliency_map(i)
    if 'img' in model.data_preprocessor.zero_padding:  # a method of one view
        views = views['view1']
    return model.data_preprocessor(dict(inputs=views, data_samples=samples), True)


def predict_batch(
    model: WeakSegmentor,
    images: Sequence[int] = (0, 1),
    sizes: Sequence[tuple[int, int]] = ((64, 80), (64, 80)),
    labels: str = 'gt',
) -> dict:
    """Inputs of a prediction; labels ``'gt'``, ``'wrong'`` or ``'none'``."""
    wrong = [tuple((c + 1) % model.num_foreground for c in some) for some in LABELS]
    known = dict(gt=LABELS, wrong=wrong, none=[None] * len(LABELS))[labels]
    inputs = [pictures(1, size, seed=10 + i)[0] for i, size in zip(images, sizes)]
    # labels are 5 pixels wider than the image: outputs follow ori_shape
    samples = [
        sample(known[i], (size[0], size[1] + 5), i) for i, size in zip(images, sizes)
    ]
    return model.data_preprocessor(dict(inputs=inputs, data_samples=samples), False)


def at(iteration: int) -> None:
    """Let models believe that this iteration runs."""
    MessageHub.get_current_instance().update_info('iter', iteration)


def step(
    model: WeakSegmentor, iteration: int, images: Sequence[int] = (0, 1), seed: int = 0
) -> dict[str, Tensor]:
    """The losses of one training step; its random draws are seeded."""
    at(iteration)
    data = train_batch(model, images)
    torch.manual_seed(seed)
    return model.train().loss(**data)


def total(losses: dict[str, Tensor]) -> Tensor:
    """What the runner minimises."""
    return sum(v for k, v in losses.items() if k.startswith('loss_'))


def gradients(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """Gradient of every parameter that has one."""
    model.zero_grad(set_to_none=True)
    loss.backward()
    return {
        k: p.grad.clone() for k, p in model.named_parameters() if p.grad is not None
    }


def begins(model: WeakSegmentor) -> list[int]:
    """Iterations at which a loss weight or another scheduled setting changes."""
    own = (value for value in vars(model).values() if isinstance(value, StepSchedule))
    return sorted(
        {
            begin
            for schedule in (*model.schedule.weights.values(), *own)
            for begin in schedule.begins
        }
    )


def still_teacher(model: WeakSegmentor) -> None:
    """Teacher = student, so that following changes nothing."""
    for name, module in model.named_children():
        if isinstance(module, EMACopy):
            module.start_from(getattr(model, name.removesuffix('_ema')))


def fields(samples: Sequence[SegDataSample]) -> list[dict[str, Tensor]]:
    """The predicted tensors of each sample by name."""
    found = []
    for one in samples:
        flat = {}
        for name, value in one.items():
            if name.startswith('pred_'):
                parts = (
                    value.items()
                    if isinstance(value, BaseDataElement)
                    else [('', value)]
                )
                flat |= {f'{name}.{key}'.rstrip('.'): v for key, v in parts}
        found.append(flat)
    return found


def assert_same_predictions(ours: list[dict], theirs: list[dict], exact: bool) -> None:
    """Equal outputs; unless ``exact``, up to float error and a few edge pixels."""
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            if exact:
                assert torch.equal(one[key], other[key]), key
            elif one[key].is_floating_point():
                torch.testing.assert_close(one[key], other[key], atol=1e-4, rtol=1e-4)
            else:
                differ = (one[key] != other[key]).float().mean()
                assert differ < LABEL_SHARE, (key, float(differ))


def assert_outputs(
    model: WeakSegmentor,
    samples: Sequence[SegDataSample],
    outputs: Sequence[str],
    kept: Sequence[Sequence[int]],
) -> None:
    """Sizes, types and ranges of all outputs of some samples."""
    for one, values, classes in zip(samples, fields(samples), kept):
        shape = (1, *one.ori_shape)
        names = {key.split('.')[0] for key in values}
        wanted = {'seg': 'pred_sem_seg'}
        assert names == {'pred_score', *(wanted.get(o, f'pred_{o}') for o in outputs)}
        score = values.pop('pred_score')
        assert score.shape == (model.num_foreground,)
        assert ((score >= 0) & (score <= 1)).all()
        for key, value in values.items():
            assert tuple(value.shape) == shape, key
            ids = set(value.unique().tolist())
            if key.endswith('.score'):
                assert value.dtype == torch.float32
                assert value.min() >= 0 and value.max() <= 1
                continue
            assert value.dtype == torch.int64, key
            present = {c + 1 for c in classes}
            if key.startswith(('pred_cam', 'pred_aux_cam')):
                assert ids <= (present or {0}), key
            elif key.startswith('pred_pseudo'):
                assert ids <= present | {0, 255}
            else:
                assert ids <= set(range(model.num_classes))


def mirrored(model: WeakSegmentor, outputs: tuple[str, ...]) -> list[list[dict]]:
    """Predictions of (image, mirrors on or off), (mirrored image, un-mirrored)."""
    results = []
    cases = ((False, True), (True, True), (False, False), (True, False))
    for flip, seg_flip in cases:
        data = predict_batch(model.eval())
        for one in data['data_samples']:  # at the image's own size
            one.set_metainfo(dict(ori_shape=(64, 80)))
        data['inputs'] = data['inputs'].flip(-1) if flip else data['inputs']
        found = fields(
            model.predict(**data, seg_flip=seg_flip, cam_filter='gt', outputs=outputs)
        )
        for one in found:
            one.pop('pred_score')  # of the plain image alone
        results.append(
            [{k: v.flip(-1) if flip else v for k, v in one.items()} for one in found]
        )
    return results
