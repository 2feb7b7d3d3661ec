# Licensed under Apache-2.0.
"""Several iterations of SeCo's own loop: labels, losses, gradients, memory, teacher."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cam import resize, strongest_class, three_way_label
from mmwsss.engine.optimizers.merged_constructor import MergedOptimWrapperConstructor
from mmwsss.engine.schedulers.poly_warmup_lr import PolyWarmupLR
from mmwsss.methods.seco.seco import SeCo
from mmwsss.methods.seco.seco_keys import convert_seco
from tests.goldens.seco_model import below, close, equal, tensors, tiny_seco

TOLERANCE = 1e-4  # of the description, for a whole training step
TERMS = ('cls', 'cls_aux', 'ptc', 'lil', 'lig', 'seg')  # the file leaves the energy out
VIEWS = dict(view1='view', view2='weak', local='strong')
MEAN = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
STD = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
#: a third of them, the keys', gets rounding noise under Adam
NOISE = 'attn.qkv.bias'


@pytest.fixture(autouse=True)
def _iteration_zero_after():
    yield
    at(0)


def at(iteration: int) -> None:
    MessageHub.get_current_instance().update_info('iter', iteration)


def voc() -> Config:
    return Config.fromfile('configs/seco/seco_vit-b_voc.py')


def steps_of(setting: Any, value: float) -> list[tuple[int, float]]:
    """A term's steps in the config of VOC, with another weight."""
    steps = setting if isinstance(setting, list) else [(0, setting)]
    return [(begin, value if weight else 0.0) for begin, weight in steps]


def model_of(data: dict[str, np.ndarray]) -> SeCo:
    cfg = {k: v[()] for k, v in below(data, 'cfg/').items()}
    weights = {
        term: steps_of(steps, cfg.get(f'w_{term}', 1.0))
        for term, steps in voc().model.train_cfg.weights.items()
        if term in TERMS
    }
    losses = {
        term: dict(
            temperature=float(cfg[f'temp_{term}']),
            base_temperature=float(cfg[f'base_temp_{term}']),
        )
        for term in ('lil', 'lig')
    }
    return tiny_seco(
        data,
        'init.',
        **losses,
        thresholds=(float(cfg['low_thre']), float(cfg['high_thre'])),
        memory=dict(momentum=float(data['proto_m'])),
        weights=weights,
        ema_momentum=float(data['f64_momentum']),
        cam=dict(scales=[round(float(s), 6) for s in data['cam_scales']]),
        local_crops=dict(
            crop_num=int(cfg['ncrops']) - 2,
            crop_size=int(cfg['local_crop_size']),
            threshold=float(cfg['tag_threshold']),
        ),
        roi_source=[(0, 'aux_cam'), (int(cfg['cam2mask']), 'cam')],
        update_prototypes=[(0, False), (int(cfg['update_prototype']), True)],
    ).train()


def optimizer_of(model: nn.Module, data: dict[str, np.ndarray]):
    """The groups of the published schedule's config, and the file's rates."""
    cfg, given = voc().optim_wrapper, below(data, 'cfg/')
    cfg.optimizer.lr = round(float(given['lr']), 9)
    cfg.optimizer.weight_decay = float(given['wt_decay'])
    cfg.pop('constructor')
    paramwise = cfg.pop('paramwise_cfg')
    optimizer = MergedOptimWrapperConstructor(cfg, paramwise)(model).optimizer
    schedule = PolyWarmupLR(
        optimizer,
        int(given['warmup_iters']),
        int(given['max_iters']),
        float(given['warmup_lr']),
        float(given['power']),
    )
    return optimizer, schedule


def batch(step: dict[str, np.ndarray]) -> tuple[dict, list[SegDataSample]]:
    """Normalised views, and samples as the data preprocessor hands them on."""
    views = {
        ours: (torch.from_numpy(step[f'{theirs}_grey']) + 0.5 - MEAN) / STD
        for ours, theirs in VIEWS.items()
    }
    samples = []
    for label, box in zip(step['labels'], step['box'], strict=True):
        sample = SegDataSample(metainfo=dict(gt_labels=tuple(np.flatnonzero(label))))
        sample.set_data(dict(valid_box=torch.from_numpy(box.astype(np.int64))))
        samples.append(sample)
    return views, samples


def watch(monkeypatch, owner: Any, name: str, seen: dict[str, Any]) -> None:
    """Keep what a method returns, and what it was given."""
    method = getattr(owner, name)

    def wrapped(*args, **kwargs):
        seen[f'{name} of'] = args
        seen[name] = method(*args, **kwargs)
        return seen[name]

    monkeypatch.setattr(owner, name, wrapped)


def test_training_steps(golden, monkeypatch) -> None:
    data = golden('seco_train_step')
    model = model_of(data)
    optimizer, schedule = optimizer_of(model, data)
    iterations = data['n_iter'].tolist()
    for i, iteration in enumerate(iterations):
        step = below(data, f'it{i}/')
        check_rates(model, optimizer, step['f64_lr'])
        at(iteration)
        loss = check_step(model, step, monkeypatch)
        optimizer.zero_grad()
        loss.backward()
        check_gradients(model, data['param_names'], step, last=i == len(iterations) - 1)
        optimizer.step()
        schedule.step()
    check_weights(model, data)


def check_rates(model: nn.Module, optimizer, expected: np.ndarray) -> None:
    """Of encoder, its norms, heads, decoder."""
    names = {id(p): name for name, p in model.named_parameters()}
    places = dict(backbone=0, cam_head=2, aux_cam_head=2, proj_head=2, decode_head=3)
    for group in optimizer.param_groups:
        for parameter in (p for p in group['params'] if p.requires_grad):
            part = names[id(parameter)].split('.')[0]
            assert group['lr'] == pytest.approx(expected[places[part]], rel=1e-9)


def check_step(model: SeCo, step: dict[str, np.ndarray], monkeypatch) -> Tensor:
    """One forward pass against the file; gives the total."""
    views, samples = batch(step)
    seen: dict[str, Any] = {}
    for owner, name in (
        (model, 'fused_cams'),
        (model, 'pseudo_label'),
        (model, 'classification'),
        (model, 'seg_logits'),
        (model.crops, 'forward'),
        (model, 'make_keys'),
        (model.losses['contrast'], 'forward'),
    ):
        own: dict[str, Any] = {}
        seen[f'{type(owner).__name__}.{name}'] = own
        watch(monkeypatch, owner, name, own)
    values: dict[str, Tensor] = {}
    # evaluated in the step also where its weight is 0
    monkeypatch.setattr(SeCo, 'active', property(lambda _: set(TERMS)))
    monkeypatch.setattr(model, 'weigh', lambda terms: values.update(terms) or {})
    model.loss(views, samples)
    monkeypatch.undo()

    labels = model.image_labels(samples, 'cpu')
    check_labels(model, step, seen, labels)
    features = seen['SeCo.classification']['classification of'][0]
    close(model.cam_head(features.maps), step['cls'])
    close(model.aux_cam_head(features.maps), step['cls_aux'], TOLERANCE)
    close(seen['SeCo.seg_logits']['seg_logits'], step['seg'], TOLERANCE)
    queries, *_, prototypes = seen['TagContrast.forward']['forward of']
    close(queries, step['out_q'], TOLERANCE)
    close(seen['SeCo.make_keys']['make_keys'], step['out_k'], TOLERANCE)
    close(prototypes, step['prototypes'], TOLERANCE)
    equal(seen['TagContrast.forward']['forward'][1], step['revised_tags'])
    close(model.memory.features, step['queue'], TOLERANCE)
    equal(model.memory.tags, step['queue_tags'])
    assert int(model.memory.pointer) == int(step['ptr'])

    for term in TERMS:
        close(values[term], step[f'loss_{term}'], TOLERANCE)
    total = sum(model.weigh({k: values[k] for k in model.active}).values())
    close(total, step['total'], TOLERANCE)
    return total


def check_labels(model: SeCo, step, seen: dict[str, Any], labels) -> None:
    """CAMs, and every label and place that is read from them."""
    cams = seen['SeCo.fused_cams']['fused_cams']
    for cam, name in ((cams.cam, 'cam_sub'), (cams.aux, 'cam_aux_sub')):
        stored = labels.valid(labels.gather(torch.from_numpy(step[name])))
        stride = cam.shape[-1] // stored.shape[-1]
        close(cam[..., ::stride, ::stride], stored.numpy(), TOLERANCE)
    tagged = seen['TaggedCrops.forward']['forward']
    for name in ('roi', 'corners', 'tags'):
        equal(getattr(tagged, name), step[name])
    equal(seen['SeCo.pseudo_label']['pseudo_label'], step['refined_label'])
    grid = tuple(step['token_label'].shape[-2:])
    score, label = strongest_class(resize(cams.aux, grid), labels.ids)
    box = torch.from_numpy(step['box'].astype(np.int64))
    token_label = three_way_label(score, label, *model.labeler.thresholds, box)
    equal(token_label, step['token_label'])


def our_names(names: np.ndarray) -> dict[str, str]:
    """Released parameters that our model has → their names there."""
    named = {str(name): convert_seco({str(name): torch.empty(0)}) for name in names}
    return {name: next(iter(ours)) for name, ours in named.items() if ours}


def check_gradients(model: SeCo, names: np.ndarray, step, last: bool) -> None:
    ours = our_names(names)
    norms = dict(zip(map(str, names), step['grad_norms'], strict=True))
    largest = float(max(norms.values()))
    for name, key in ours.items():
        parameter, expected = model.get_parameter(key), norms[name]
        if expected < 0:
            assert parameter.grad is None, key
        elif not name.endswith(NOISE):
            norm = float(parameter.grad.norm())
            assert norm == pytest.approx(
                float(expected), rel=TOLERANCE, abs=1e-6 * largest
            ), key
    dropped = set(norms) - set(ours)
    assert all(norms[name] < 0 for name in dropped)
    if last:
        for name, expected in below(step, 'grad.').items():
            close(model.get_parameter(ours[name]).grad, expected, TOLERANCE)


def check_weights(model: SeCo, data: dict[str, np.ndarray]) -> None:
    """Student and teachers after the last iteration."""
    state = model.state_dict()
    stored = tensors(below(data, 'final.'))
    for key, expected in convert_seco(stored).items():
        close(state[key], expected.numpy(), TOLERANCE)
    norms = zip(map(str, data['param_names']), data['final_norms'], strict=True)
    ours = our_names(data['param_names'])
    for name, expected in norms:
        if name in ours and not name.endswith(NOISE):
            norm = float(state[ours[name]].norm())
            assert norm == pytest.approx(float(expected), rel=TOLERANCE, abs=1e-6), name
