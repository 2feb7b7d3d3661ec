# Licensed under Apache-2.0.
"""Three whole FSR iterations: masks, labels, losses, gradients, optimiser, teacher."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from torch import nn

from mmwsss.cam import strongest_class, three_way_label
from mmwsss.engine.optimizers.merged_constructor import MergedOptimWrapperConstructor
from mmwsss.engine.schedulers.cosine_warmup_lr import CosineWarmupLR
from mmwsss.methods.fsr.fsr_keys import convert_fsr_network
from tests.goldens.fsr_model import (
    MASK,
    WEIGHTS,
    below,
    near,
    samples,
    tensors,
    tiny_fsr,
)

TOLERANCE = 1e-4  # of the description, for losses and weights
NAMES = dict(
    cls='cls_top',
    cls_aux='cls_aux',
    ptc='aff',
    seg='seg',
    unc='fsr_patch',
    cer='fsr_class',
)
RATIO = 0.1  # of the description: the first rate's share


@pytest.fixture(autouse=True)
def _iteration_zero_after():
    yield
    MessageHub.get_current_instance().update_info('iter', 0)


def model_of(data):
    """The model at iteration 0, in train mode."""
    temperatures, momenta = data['f64_teacher_temp'], data['f64_momentum']
    rises = int(np.argmax(temperatures == temperatures[-1])) + 1
    seg = [(i, float(data[f'it{i}/seg_weight'])) for i in range(iterations(data))]
    return tiny_fsr(
        data,
        'init/',
        weights=WEIGHTS | dict(seg=seg),
        thresholds=(float(data['low']), float(data['high'])),
        mask=MASK
        | dict(
            block_size=int(data['block_size']),
            strategy=[(0, 'random'), (1, 'uncertain')],
        ),
        teacher_temp=dict(start=temperatures[0], end=temperatures[-1], iters=rises),
        ema_momentum=dict(start=momenta[0], end=1.0, iters=len(momenta)),
    ).train()


def iterations(data) -> int:
    """How many iterations the file holds."""
    return len({k.split('/')[0] for k in data if k.startswith('it')})


def warmup(data) -> int:
    """Length of the warm-up, from the rise between the first two rates."""
    first, second = (float(data[f'f64_it{i}/lr'][0]) for i in range(2))
    return round((1 - RATIO) / RATIO * first / (second - first))


def optimizer_of(model: nn.Module, lr: float) -> torch.optim.Optimizer:
    """The groups of the published schedule's config, at another rate."""
    cfg = Config.fromfile('configs/_base_/schedules/cosine_20k.py').optim_wrapper
    cfg.optimizer.lr = lr
    cfg.pop('constructor')
    paramwise = cfg.pop('paramwise_cfg')
    return MergedOptimWrapperConstructor(cfg, paramwise)(model).optimizer


def test_schedules(golden) -> None:
    data = golden('fsr_train_steps')
    model = model_of(data)
    steps = range(len(data['f64_momentum']))
    np.testing.assert_allclose(
        [model.ema_momentum(i) for i in steps], data['f64_momentum'], rtol=1e-12
    )
    np.testing.assert_allclose(
        [model.teacher_temp(i) for i in steps], data['f64_teacher_temp'], rtol=1e-12
    )


def test_training_steps(golden, monkeypatch) -> None:
    data = golden('fsr_train_steps')
    model = model_of(data)
    lr = round(float(data['lr']), 9)
    optimizer = optimizer_of(model, lr)
    scheduler = CosineWarmupLR(
        optimizer, warmup(data), len(data['f64_momentum']), warmup_ratio=RATIO
    )
    for number in range(iterations(data)):
        check_rates(model, optimizer, data[f'f64_it{number}/lr'])
        step = below(data, f'it{number}/')
        loss = check_losses(model, number, step, monkeypatch)
        optimizer.zero_grad()
        loss.backward()
        check_gradients(model, data, step)
        optimizer.step()
        scheduler.step()
        near(model.losses['cer'].center, step['class_center'])
        near(model.losses['unc'].center, step['patch_center'])
    MessageHub.get_current_instance().update_info('iter', iterations(data))
    model.follow_student()  # as the next iteration begins
    check_weights(model, data)


def check_losses(model, number: int, step, monkeypatch) -> torch.Tensor:
    """One forward pass; gives the total."""
    MessageHub.get_current_instance().update_info('iter', number)
    views = {k: torch.from_numpy(step[k]) for k in ('view1', 'view2')}
    noise = torch.from_numpy(step['noise'])
    monkeypatch.setattr(
        'mmwsss.methods.fsr.uncertain_masking.draw_noise',
        lambda batch, blocks, _: noise.view(batch, *blocks),
    )
    seen = {}
    spy(monkeypatch, model, 'mask_uncertain', seen)
    spy(monkeypatch, model, 'pseudo_label', seen)
    spy(monkeypatch, model, 'fused_cams', seen)
    spy(monkeypatch, model, 'uncertainty_cam', seen)
    # evaluated in the step also where its weight is 0 in the file
    monkeypatch.setattr(type(model), 'active', property(lambda _: set(WEIGHTS)))
    values = {}
    monkeypatch.setattr(model, 'weigh', lambda terms: values.update(terms) or {})
    data_samples = samples(step['labels'])
    model.loss(views, data_samples)
    monkeypatch.undo()

    batch = len(views['view1'])
    np.testing.assert_array_equal(seen['mask_uncertain'].tokens, step['mask'][batch:])
    assert not step['mask'][:batch].any()
    labels = model.image_labels(data_samples, noise.device)
    assert ('uncertainty_cam' in seen) == (number > 0)  # no CAM for a random mask
    if number:
        corners = step['mask_aux_cam_b'] * step['labels'][..., None, None]
        corners = labels.gather(torch.from_numpy(corners).float())
        block = views['view2'].shape[-1] // corners.shape[-1]
        near(
            labels.valid(corners),
            seen['uncertainty_cam'][..., ::block, ::block].numpy(),
            TOLERANCE,
        )
    np.testing.assert_array_equal(seen['pseudo_label'], step['pseudo_label'])
    grid = step['pseudo_label_aff'].shape[-2:]
    score, label = strongest_class(
        torch.nn.functional.interpolate(
            seen['fused_cams'].aux, tuple(grid), mode='bilinear'
        ),
        labels.ids,
    )
    np.testing.assert_array_equal(
        three_way_label(score, label, *model.labeler.thresholds),
        step['pseudo_label_aff'],
    )

    assert values.keys() == WEIGHTS.keys()
    for term, name in NAMES.items():
        near(values[term], step[f'loss_{name}'], TOLERANCE)
    weights = model.terms.schedule(number)
    active = {k: v for k, v in values.items() if k in weights}
    loss = sum(model.weigh(active).values())
    near(loss, step['loss_total'], TOLERANCE)
    return loss


def spy(monkeypatch, model, name: str, seen: dict) -> None:
    """Keep what a method returns."""
    method = getattr(model, name)

    def wrapped(*args, **kwargs):
        seen[name] = method(*args, **kwargs)
        return seen[name]

    monkeypatch.setattr(model, name, wrapped)


def our_name(name: str) -> str:
    """A released parameter's name in our model."""
    return next(iter(convert_fsr_network({name: torch.zeros(1, 2, 1)})))


def check_gradients(model, data, step) -> None:
    """Norms of all gradients, −1 = frozen."""
    for name, expected in zip(data['param_names'], step['grad_norms'], strict=True):
        parameter = model.get_parameter(our_name(str(name)))
        if expected < 0:
            assert not parameter.requires_grad
        elif not str(name).endswith('attn.k.bias'):
            np.testing.assert_allclose(
                parameter.grad.norm(), expected, rtol=1e-3, atol=1e-5, err_msg=name
            )


def check_rates(model, optimizer, expected: np.ndarray) -> None:
    """Encoder without and with decay, projector biases, the rest of the heads."""
    names = {id(p): name for name, p in model.named_parameters()}
    found = {}
    for group in optimizer.param_groups:
        for parameter in (p for p in group['params'] if p.requires_grad):
            name = names[id(parameter)]
            head = not name.startswith('backbone.')
            plain = (
                parameter.dim() == 1
                or name.endswith('bias')
                or any(k in name for k in ('pos_embed', 'cls_token', 'mask_token'))
            )
            setting = group['lr'], group['weight_decay']
            found.setdefault((head, not plain), set()).add(setting)
    decays = (0.0, 0.05, 0.0, 0.05)
    cases = ((False, False), (False, True), (True, False), (True, True))
    for case, rate, decay in zip(cases, expected, decays, strict=True):
        assert len(found[case]) == 1
        np.testing.assert_allclose(found[case].pop(), (rate, decay), rtol=1e-12)


def check_weights(model, data) -> None:
    """Student and teacher after the last iteration."""
    ours = model.state_dict()
    for prefix, place in (('final_student/', ''), ('final_teacher/', '_ema.module')):
        stored = tensors(below(data, prefix))
        assert stored
        for name, value in stored.items():
            key, expected = next(iter(convert_fsr_network({name: value}).items()))
            part, rest = key.split('.', 1)
            found = ours[f'{part}{place}.{rest}']
            if name.endswith('attn.k.bias'):
                continue
            if name.endswith('attn.qkv.bias'):  # all but the keys' third
                found, expected = (
                    torch.cat(v.chunk(3)[::2]) for v in (found, expected)
                )
            near(found, expected.numpy(), TOLERANCE)
