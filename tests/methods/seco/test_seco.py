# Licensed under Apache-2.0.
"""SeCo through the shared tester, and what only it has."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from mmengine.config import Config
from torch import Tensor

from mmwsss.methods.seco.seco import SeCo, image_major
from mmwsss.registry import MODELS
from mmwsss.testing import (
    MethodTester,
    assert_outputs,
    build,
    fields,
    load_config,
    predict_batch,
    step,
    terms_of,
    total,
    train_batch,
)
from mmwsss.testing.tiny_batches import labels_of
from tests.helpers import ROOT

SECO = 'configs/seco/seco_vit-t_shapes.py'
#: iterations of the config: nothing moves but the queue; prototypes too; contrast;
#: segmentation; tags from the final CAM
QUEUE, PROTOTYPES, CONTRAST, SEGMENTATION, FINAL = 0, 18, 30, 120, 300


class TestSeCo(MethodTester):
    """Tagged crops, memory, both contrasts."""

    config = SECO
    encoded = (
        (4, 3, 96, 96),  # both global views
        (16, 3, 24, 24),  # eight crops of each picture
        (2, 3, 96, 96),  # the mirrored view 1, for the CAM
        (4, 3, 48, 48),  # its two other scales, with mirrors
        (4, 3, 144, 144),
    )
    refused = (
        (dict(proj_head=None), 'memory needs a proj_head'),
        (dict(memory=None), 'needs a memory'),
        (dict(memory=dict(type='MemoryBank')), 'set model.memory.size'),
        (dict(aux_cam_head=None), 'cls_aux needs a aux_cam_head'),
        (dict(labeler=None), 'needs a labeler'),
        (dict(decode_head=None), 'needs a decode_head'),
        (dict(losses=dict(cls=dict(type='MultiLabelSoftMargin'))), r"\['cls_aux', "),
        (
            dict(proj_head=dict(type='ProjectionHead', out_channels=64)),
            'proj_head.out_channels=64.*as wide as the class token, 96: leave it out',
        ),
    )

    def test_the_memory_moves_before_a_loss_reads_it(self, model) -> None:
        """Queue and teachers from the first iteration, prototypes from theirs."""
        before = {k: v.clone() for k, v in model.state_dict().items()}
        rows = 2 * (2 + model.crops.crop_num)
        losses = step(model, QUEUE)
        after = model.state_dict()
        assert not terms_of(losses) & {'lil', 'lig'}
        assert int(model.memory.pointer) == rows
        keys = after['memory.features'][:rows]
        torch.testing.assert_close(keys.norm(dim=1), torch.ones(rows))
        assert torch.equal(
            after['memory.features'][rows:], before['memory.features'][rows:]
        )
        assert torch.equal(after['memory.prototypes'], before['memory.prototypes'])
        momentum = model.train_cfg['ema_momentum']
        for part in model.averaged.parts:
            for name, student in getattr(model, part).named_parameters():
                key = f'{part}_ema.module.{name}'
                expected = momentum * before[key] + (1 - momentum) * student
                torch.testing.assert_close(after[key], expected)
        step(model, PROTOTYPES)
        prototypes = model.memory.prototypes
        assert not torch.equal(prototypes, before['memory.prototypes'])
        torch.testing.assert_close(prototypes.norm(dim=1), torch.ones(len(prototypes)))

    def test_what_nothing_reads_is_not_encoded(self) -> None:
        """Without the queue's early start neither crops nor the second view."""
        sizes = {}
        for moves in (True, False):
            model = build(SECO, update_queue=[(0, moves), (CONTRAST, True)])
            for name, encode in (
                ('student', model.encode), ('teacher', model.backbone_ema.module.encode)
            ):  # fmt: skip
                owner = model if name == 'student' else model.backbone_ema.module
                seen = sizes.setdefault((moves, name), [])
                owner.encode = lambda images, encode=encode, seen=seen: (
                    seen.append(tuple(images.shape)) or encode(images)
                )
            step(model, QUEUE)
        assert (
            sizes[True, 'teacher'] == [(16, 3, 24, 24)] and not sizes[False, 'teacher']
        )
        assert (4, 3, 96, 96) in sizes[True, 'student']
        assert (4, 3, 96, 96) not in sizes[False, 'student']
        # the student's crops have no gradient to give yet
        assert (16, 3, 24, 24) not in sizes[True, 'student']

    def test_gradients_of_each_contrast(self) -> None:
        """Either alone trains encoder and head; neither reaches a teacher."""
        for term, other in (('lil', 'lig'), ('lig', 'lil')):
            model = build(SECO)
            weights = dict.fromkeys(model.terms.names, 0.0) | {term: 1.0}
            model = build(SECO, weights=weights)
            losses = step(model, FINAL)
            assert terms_of(losses) == {term} and other not in terms_of(losses)
            total(losses).backward()
            for part in ('backbone', 'proj_head'):
                assert any(p.grad.any() for p in getattr(model, part).parameters()
                           if p.grad is not None), part  # fmt: skip
            teacher = [p.grad for p in model.backbone_ema.parameters()]
            assert all(grad is None for grad in teacher)

    def test_the_model_without_contrast(self) -> None:
        """A config without head and memory: ToCo's skeleton with another decoder."""
        cfg = load_config(SECO)
        cfg.model.update(proj_head=None, memory=None)
        for term in ('lil', 'lig'):
            cfg.model.train_cfg.weights.pop(term)
        cfg.model.losses.pop('contrast')
        model = build(cfg)
        losses = step(model, FINAL)
        assert terms_of(losses) == {'cls', 'cls_aux', 'ptc', 'seg', 'reg'}
        assert not [k for k in model.state_dict() if 'ema' in k or 'memory' in k]


def test_a_later_start_of_the_queue_trains_the_same_network() -> None:
    """All keys that the first contrast reads are new by then."""
    losses, states = [], []
    for start in (0, 2):
        steps = [(0, 0.0), (3, 0.5)]
        cfg = load_config(SECO)
        cfg.model.memory.size = 2 * 2 * 10  # two steps of two pictures
        model = build(
            cfg,
            weights=dict(cls=1.0, cls_aux=1.0, ptc=0.3, lil=steps, lig=steps),
            update_queue=[(0, False), (start, True)] if start else True,
            update_prototypes=True,
        )
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for iteration in range(5):
            loss = total(step(model, iteration, images=(0, 1), seed=iteration))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        states.append({k: v for k, v in model.state_dict().items()
                       if k != 'memory.pointer'})  # fmt: skip
    torch.testing.assert_close(losses[:5], losses[5:], rtol=1e-5, atol=1e-6)
    rows = [state.pop('memory.features') for state in states]
    tags = [state.pop('memory.tags') for state in states]
    assert all(sorted(tags[0].tolist()) == sorted(t.tolist()) for t in tags)
    torch.testing.assert_close(*(r.sum(0) for r in rows), rtol=1e-4, atol=1e-4)
    for key, value in states[0].items():
        torch.testing.assert_close(states[1][key], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('how', ['columns', 'rows', 'empty'])
def test_start_of_the_memory(how: str) -> None:
    model = build(SECO, queue_init=how)
    memory = model.memory
    size, dim = memory.features.shape
    if how == 'empty':
        assert not memory.features.any() and (memory.tags == -1).all()
        assert not memory.filled.any()
    else:
        axis = 0 if how == 'columns' else 1
        norms = memory.features.norm(dim=axis)
        torch.testing.assert_close(norms, torch.ones(dim if how == 'columns' else size))
        assert not memory.tags.any() and memory.filled.all()
    lengths = memory.prototypes.norm(dim=1)  # of standard normal numbers
    assert (lengths - dim**0.5).abs().max() < 0.25 * dim**0.5


@cache
def plain_losses() -> dict[str, Tensor]:
    """Those of the config as it stands."""
    return step(build(SECO), FINAL)


@pytest.mark.parametrize(
    'setting,changed',
    [
        (dict(global_keys='teacher'), {'lil'}),
        (dict(current_keys='once'), {'lil'}),
        (dict(queue_init='rows'), {'lil'}),
        (dict(prototype_tokens='unit'), {'lig'}),
        (dict(roi_source='aux_cam'), {'lil', 'lig'}),
        (dict(local_crops=dict(tag_weight='one', threshold=0.5)), {'lil', 'lig'}),
        (dict(local_crops=dict(draw='free')), {'lil', 'lig'}),
        (dict(pseudo_source='aux_cam'), {'seg', 'reg'}),
        (dict(scale_token_box=False), {'ptc'}),
    ],
)
def test_options_act(setting: dict[str, Any], changed: set[str]) -> None:
    """Every option changes the terms that it is about, and no other."""
    crops = Config.fromfile(ROOT / SECO).model.train_cfg.local_crops
    if 'local_crops' in setting:
        setting = dict(local_crops={**crops, **setting['local_crops']})
    plain, other = plain_losses(), step(build(SECO, **setting), FINAL)
    assert all(torch.isfinite(v) for v in other.values())
    differ = {t for t in terms_of(plain) if plain[f'loss_{t}'] != other[f'loss_{t}']}
    assert differ == changed


def test_the_tag_of_pictures_without_a_class() -> None:
    """Class 1 as released, which then has an example that isn't one."""
    crops = Config.fromfile(ROOT / SECO).model.train_cfg.local_crops
    losses = []
    for tag in (1, -1):
        model = build(SECO, local_crops={**crops, 'empty_tag': tag})
        losses.append(step(model, FINAL, images=(1, 3)))  # the second has no label
        assert (model.memory.tags == 1).sum() == (2 if tag == 1 else 0)
    assert losses[0]['loss_lig'] != losses[1]['loss_lig']


@pytest.mark.parametrize(
    'change,message',
    [
        (dict(queue_init='zeros'), "train_cfg.queue_init must be one of.*got 'zeros'"),
        (dict(global_keys='both'), 'train_cfg.global_keys must be one of'),
        (dict(current_keys='thrice'), 'train_cfg.current_keys must be one of'),
        (dict(prototype_tokens='mean'), 'train_cfg.prototype_tokens must be one of'),
        (dict(roi_source='seg'), r"roi_source must be one of.*\['seg'\]"),
        (dict(pseudo_source='seg'), r"pseudo_source must be one of.*\['seg'\]"),
        (dict(ema_momentum=None), 'needs a train_cfg.ema_momentum'),
        (dict(local_crops=None), 'needs a train_cfg.local_crops'),
        (dict(crop_num=3), r"reads no train_cfg entries \['crop_num'\]"),
    ],
)
def test_bad_settings(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(SECO, **change)


def test_a_class_token_is_needed() -> None:
    cfg = load_config(SECO)
    cfg.model.backbone.update(with_cls_token=False, out_type='avg_featmap')
    model = build(SECO)
    encode = model.backbone.encode
    model.backbone.encode = lambda images: encode(images)._replace(cls_token=None)
    with pytest.raises(ValueError, match='SeCo needs a backbone with a class token'):
        step(model, 0)


def test_views_are_needed() -> None:
    model = build(SECO)
    data = train_batch(model)
    image = data['inputs'].pop('local')
    with pytest.raises(ValueError, match=r"gives \['view1', 'view2'\]: use ToCoViews"):
        model.loss(**data)
    with pytest.raises(ValueError, match='gives a single image'):
        model.loss(image, data['data_samples'])


def test_rows_go_image_after_image() -> None:
    views = torch.arange(4.0)[:, None]  # raw of images 0, 1; weak of 0, 1
    crops = torch.arange(10.0, 16.0)[:, None]  # three crops, of images 0, 1 each
    rows = image_major(views, crops, 2)
    assert rows[:, 0].tolist() == [0, 2, 10, 12, 14, 1, 3, 11, 13, 15]


def test_81_classes_train_and_predict() -> None:
    """COCO as configured, with a small encoder: what the release can't start."""
    small = dict(
        arch=dict(
            embed_dims=24, num_layers=12, num_heads=2, feedforward_channels=48
        ),
        img_size=96,
    )  # fmt: skip
    cfg = load_config('configs/seco/seco_vit-b_coco.py')
    cfg.model.proj_head.hidden_channels = 32
    cfg.model.memory.size = 96
    cfg.model.labeler.refiner.dilations = (1, 2)
    model = build(cfg, backbone=small)
    assert model.memory.prototypes.shape == (80, 24)
    losses = step(model, 60000, images=(0, 2))
    assert terms_of(losses) == model.terms.names
    assert all(torch.isfinite(v) for v in losses.values())
    total(losses).backward()
    samples = model.eval().predict(**predict_batch(model), **cfg.tta_cfg)
    assert samples[0].seg_logits.data.shape[0] == 81
    assert_outputs(model, samples, ('seg',), labels_of(80))


def test_the_teacher_predicts() -> None:
    """A full averaged copy of the encoder, with the student's heads."""
    model = build(SECO).eval()
    data = predict_batch(model)
    student, teacher = (
        fields(model.predict(**data, outputs=('seg',), use_teacher=use))
        for use in (False, True)
    )
    key = 'pred_score'
    assert student and not torch.equal(student[0][key], teacher[0][key])


def test_a_step_leaves_the_random_state_alone() -> None:
    """The release seeds the global generator in every image."""
    model = build(SECO)
    data = train_batch(model)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    model.train().loss(**data)
    assert torch.equal(before, torch.get_rng_state())


def test_initial_teachers_are_copies() -> None:
    cfg = Config.fromfile(ROOT / SECO).model
    cfg.backbone.pretrained = None
    model = MODELS.build(cfg)
    model.init_weights()
    assert isinstance(model, SeCo)
    state = model.state_dict()
    copies = [k for k in state if '_ema.module.' in k]
    assert {k.split('_ema')[0] for k in copies} == {'backbone', 'proj_head'}
    for key in copies:
        assert torch.equal(state[key], state[key.replace('_ema.module', '')]), key
    rows = state['memory.features'].clone()
    model.init_weights()  # a second time: nothing is set back
    assert torch.equal(model.memory.features, rows)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_on_the_gpu() -> None:
    """A step has the losses, tags and memory of the CPU."""
    cpu, gpu = build(SECO), build(SECO).cuda()
    theirs = step(gpu, CONTRAST)
    ours = step(cpu, CONTRAST)
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name].cpu(), value, rtol=1e-3, atol=1e-3)
    assert torch.equal(gpu.memory.tags.cpu(), cpu.memory.tags)
    torch.testing.assert_close(
        gpu.memory.features.cpu(), cpu.memory.features, rtol=1e-3, atol=1e-3
    )
