# Licensed under Apache-2.0.
"""Several iterations of MoRe's own loop: labels, losses, gradients, weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cam import affinity_targets
from mmwsss.engine.optimizers.merged_constructor import MergedOptimWrapperConstructor
from mmwsss.engine.schedulers.poly_warmup_lr import PolyWarmupLR
from mmwsss.methods.more.more import MoRe
from mmwsss.methods.more.more_keys import convert_more
from mmwsss.testing import at
from tests.goldens.more_model import below, close, equal, tensors, tiny_more
from tests.goldens.test_seco_train_step import MEAN, NOISE, STD, watch

TOLERANCE = 1e-4  # of the description, for a whole training step
#: the file leaves the energy out
TERMS = ('cls', 'cls_aux', 'mct', 'ptc', 'cle', 'une', 'seg')
#: optimiser groups of the file
PLACES = dict(backbone=0, cam_head=2, aux_cam_head=2, graph=3, decode_head=4)


@pytest.fixture(autouse=True)
def _iteration_zero_after():
    yield
    at(0)


def voc() -> Config:
    return Config.fromfile('configs/more/more_vit-b_voc.py')


def steps_of(setting: Any, value: float) -> list[tuple[int, float]]:
    """A term's steps in the config of VOC, with another weight."""
    steps = setting if isinstance(setting, list) else [(0, setting)]
    return [(begin, value if weight else 0.0) for begin, weight in steps]


def model_of(data: dict[str, np.ndarray]) -> MoRe:
    """With the rules of the config of VOC, and the thresholds and weights given."""
    cfg = {k: v[()] for k, v in below(data, 'cfg/').items()}
    train_cfg = voc().model.train_cfg
    low, high = float(cfg['low_thre']), float(cfg['high_thre'])
    certain, uncertain = train_cfg.certain, train_cfg.uncertain
    certain[0][1].update(low_thr=low)
    uncertain[0][1].update(low_thr=low, high_thr=high)
    return tiny_more(
        data,
        'init.',
        thresholds=(low, high),
        backbone=dict(class_attention=True),
        weights={
            term: steps_of(steps, cfg.get(f'w_{term}', 1.0))
            for term, steps in train_cfg.weights.items()
            if term in TERMS
        },
        certain=certain,
        uncertain=uncertain,
        cam=dict(scales=[round(float(s), 6) for s in data['cam_scales']]),
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


def test_training_steps(golden, monkeypatch) -> None:
    follow(golden('more_train_step'), monkeypatch)


def follow(
    data: dict[str, np.ndarray],
    monkeypatch,
    wrap: Callable[[MoRe], nn.Module] = lambda model: model,
) -> None:
    """Train as the file did, each step against it.

    Args:
        data: the file.
        monkeypatch: of pytest.
        wrap: what is laid around the network, a communication of gradients.
    """
    model = model_of(data)
    called = wrap(model)
    optimizer, schedule = optimizer_of(model, data)
    iterations = data['n_iter'].tolist()
    for i, iteration in enumerate(iterations):
        step = below(data, f'it{i}/')
        check_rates(model, optimizer, step['f64_lr'])
        at(iteration)
        loss = check_step(model, called, step, monkeypatch)
        optimizer.zero_grad()
        loss.backward()
        check_gradients(model, data['param_names'], step)
        optimizer.step()
        schedule.step()
    check_weights(model, data)


def check_rates(model: nn.Module, optimizer, expected: np.ndarray) -> None:
    """Of encoder, its norms, classifiers, graph, decoder."""
    names = {id(p): name for name, p in model.named_parameters()}
    for group in optimizer.param_groups:
        for parameter in (p for p in group['params'] if p.requires_grad):
            part = names[id(parameter)].split('.')[0]
            assert group['lr'] == pytest.approx(expected[PLACES[part]], rel=1e-9)


def check_step(
    model: MoRe, called: nn.Module, step: dict[str, np.ndarray], monkeypatch
) -> Tensor:
    """One forward pass against the file; gives the total."""
    images = (torch.from_numpy(step['view_grey']) + 0.5 - MEAN) / STD
    samples = [
        SegDataSample(metainfo=dict(gt_labels=tuple(np.flatnonzero(row))))
        for row in step['labels']
    ]
    seen: dict[str, Any] = {}
    for owner, name in (
        (model, 'fused_cams'),
        (model, 'pseudo_label'),
        (model, 'classification'),
        (model, 'seg_logits'),
        (model, 'category_tokens'),
        (model.losses['ptc'], 'forward'),
    ):
        watch(monkeypatch, owner, name, seen)
    targets: dict[str, Tensor] = {}
    for term, place in (('cle', 2), ('une', 2)):
        keep_target(monkeypatch, model.losses[term], term, place, targets)
    places = tensors(step)['places']
    monkeypatch.setattr(model.losses['une'], 'draw', lambda target: places)
    values: dict[str, Tensor] = {}
    # evaluated in the step also where its weight is 0
    monkeypatch.setattr(MoRe, 'active', property(lambda _: set(TERMS)))
    monkeypatch.setattr(model, 'weigh', lambda terms: values.update(terms) or {})
    called(images, samples, mode='loss')
    monkeypatch.undo()

    labels = model.image_labels(samples, 'cpu')
    check_labels(step, seen, targets, labels)
    features = seen['classification of'][0]
    close(model.cam_head(features.maps), step['cls'], TOLERANCE)
    close(model.aux_cam_head(features.maps), step['cls_aux'], TOLERANCE)
    close(seen['seg_logits'], step['seg'], TOLERANCE)
    close(seen['category_tokens'], step['gcr_tokens'], TOLERANCE)
    if 'score_maps' in step:
        close(features.attention[..., ::2, ::2], step['score_maps'], TOLERANCE)
    for term in TERMS:
        close(values[term], step[f'loss_{term}'], TOLERANCE)
    total = sum(model.weigh({k: values[k] for k in model.active}).values())
    close(total, step['total'], TOLERANCE)
    return total


def keep_target(monkeypatch, loss: nn.Module, term: str, place: int, found) -> None:
    """Keep the token labels that a loss is given."""
    forward = loss.forward

    def wrapped(*args):
        found[term] = args[place]
        return forward(*args)

    monkeypatch.setattr(loss, 'forward', wrapped)


def check_labels(
    step, seen: dict[str, Any], targets: dict[str, Tensor], labels
) -> None:
    """CAMs, and every label that is read from them."""
    cams = seen['fused_cams']
    for cam, name in ((cams.cam, 'cam_sub'), (cams.aux, 'cam_aux_sub')):
        stored = labels.valid(labels.gather(torch.from_numpy(step[name])))
        stride = cam.shape[-1] // stored.shape[-1]
        close(cam[..., ::stride, ::stride], stored.numpy(), TOLERANCE)
    late = int(MessageHub.get_current_instance().get_info('iter')) > 10000
    for term in ('cle', 'une'):
        equal(targets[term], step['label_late' if late else f'label_{term}'])
    pairs = affinity_targets(torch.from_numpy(step['label_ptc']).long())
    equal(seen['forward of'][1], pairs.numpy())
    equal(seen['pseudo_label'], step['refined_label'])


def our_names(names: np.ndarray) -> dict[str, str]:
    """Released parameters that our model has → their names there."""
    named = {str(name): convert_more({str(name): torch.empty(0)}) for name in names}
    return {name: next(iter(ours)) for name, ours in named.items() if ours}


def check_gradients(model: MoRe, names: np.ndarray, step) -> None:
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
    stored = {k: v for k, v in step.items() if k.startswith('grad.')}
    for name, expected in stored.items():  # of the last iteration
        found = model.get_parameter(ours[name.removeprefix('grad.')]).grad
        close(found, expected, TOLERANCE)


def check_weights(model: MoRe, data: dict[str, np.ndarray]) -> None:
    """After the last iteration."""
    state = model.state_dict()
    stored = tensors(below(data, 'final.'))
    for key, expected in convert_more(stored).items():
        close(state[key], expected.numpy(), TOLERANCE)
    norms = zip(map(str, data['param_names']), data['final_norms'], strict=True)
    ours = our_names(data['param_names'])
    for name, expected in norms:
        if name in ours and not name.endswith(NOISE):
            norm = float(state[ours[name]].norm())
            assert norm == pytest.approx(float(expected), rel=TOLERANCE, abs=1e-6), name
