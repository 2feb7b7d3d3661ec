# Licensed under Apache-2.0.
"""AFA's whole network and its gradients, through the checkpoint converter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mmwsss.cam import affinity_targets, label_on_grid, window_mask
from mmwsss.methods.afa.afa import AFA
from mmwsss.methods.afa.mit_keys import FUSION, convert_afa
from tests.goldens.afa_model import tiny_afa
from tests.goldens.toco_model import close, state_dict

GRAD_RTOL = 1e-4  # of gradients and of the training-mode statistics
WEIGHTS = dict(cls=1.0, seg=0.1, aff=0.1)


def images(data: dict, case: str = 'a') -> Tensor:
    """The images of a case."""
    return torch.from_numpy(data[f'{case}_image'])


def test_network(golden) -> None:
    data = golden('afa_network')
    model = tiny_afa(data).eval()
    cases = [k.removesuffix('_image') for k in data if k.endswith('_image')]
    assert 'a' in cases
    for case in cases:
        check_outputs(data, model, case)


def check_outputs(data: dict, model: AFA, case: str) -> None:
    """Stage maps, classes, CAM, decoder and affinity of one case."""
    with torch.no_grad():
        features = model.encode(images(data, case))
        outputs = {f'stage{i}': maps for i, maps in enumerate(features.maps, 1)}
        outputs |= dict(
            cls=model.cam_head(features.maps),
            cam=model.cam_logits(features)[0],
            seg=model.decode_head(features.maps),
            aff=model.affinity_head(features.attention),
        )
    assert len(outputs) == 8
    for name, value in outputs.items():
        assert value.shape == data[f'{case}_{name}'].shape, name
        close(value, data[f'{case}_{name}'])


def test_attention_logits(golden) -> None:
    """Queries times keys of the last two blocks, before scaling and softmax."""
    data = golden('afa_network')
    with torch.no_grad():
        attention = tiny_afa(data).eval().encode(images(data)).attention
    query, key = attention.unbind(2)
    logits = query @ key.transpose(-1, -2)
    for block, name in enumerate(('second_last', 'last')):
        close(logits[:, block], data[f'a_logits_block_{name}'])


def test_decoder_in_training(golden) -> None:
    """Batch statistics, and the running ones after it; all dropout is off."""
    data = golden('afa_network')
    model = tiny_afa(data).eval()
    norm = model.decode_head.fusion_conv.norm
    assert (norm.eps, norm.momentum) == pytest.approx(
        (float(data['bn_eps']), float(data['bn_momentum']))
    )
    with torch.no_grad():
        maps = model.encode(images(data)).maps
        norm.train()
        close(model.decode_head(maps), data['a_seg_train_mode_no_dropout'], GRAD_RTOL)
    close(norm.running_mean, data['bn_running_mean_after'], GRAD_RTOL)
    close(norm.running_var, data['bn_running_var_after'], GRAD_RTOL)


def losses(data: dict, model: AFA) -> dict[str, Tensor]:
    """The three terms on the file's labels, through the model's own steps."""
    features = model.encode(images(data))
    label = torch.from_numpy(data['grad_seg_label'].astype(np.int64))
    grid = tuple(features.maps[-1].shape[-2:])
    targets = affinity_targets(
        label_on_grid(label, grid), window_mask(grid, int(data['grad_radius'])), True
    )
    np.testing.assert_array_equal(targets.numpy(), data['grad_aff_label'])
    cls_label = torch.from_numpy(data['grad_cls_label'])
    return dict(
        cls=model.losses['cls'](model.cam_head(features.maps), cls_label),
        seg=model.losses['seg'](model.decode_head(features.maps), label),
        aff=model.affinity(features, label),
    )


def built(data: dict) -> AFA:
    """The network in evaluation mode, with the file's radius."""
    return tiny_afa(data, affinity_radius=int(data['grad_radius'])).eval()


def converted_gradient(key: str, grads: dict[str, Tensor]) -> Tensor:
    """Our gradient of a released parameter: the converter's map turned round."""
    if '.attn.q.' in key or '.attn.kv.' in key:
        stage, block = (int(n) for n in key.split('block')[1].split('.')[:2])
        name = key.replace('.q.', '.').replace('.kv.', '.').rpartition('.')[2]
        attn = f'backbone.layers.{stage - 1}.1.{block}.attn.attn'
        joined = grads[f'{attn}.in_proj_{name}']
        width = len(joined) // 3
        return joined[:width] if '.q.' in key else joined[width:]
    name = next(iter(convert_afa({key: torch.empty(4, 4)})))
    if name == FUSION:  # the release has the stages the other way round
        return torch.cat(grads[name].chunk(4, dim=1)[::-1], dim=1)
    return grads[name].reshape(-1)


def test_losses_and_gradients(golden) -> None:
    data = golden('afa_network')
    model = built(data)
    terms = losses(data, model)
    for name, value in terms.items():
        close(value, data[f'loss_{name}'])
    total = sum(WEIGHTS[name] * value for name, value in terms.items())
    close(total, data['loss_total'])
    total.backward()
    grads = {k: p.grad for k, p in model.named_parameters()}
    stored = {
        k.removeprefix('grad.'): v for k, v in data.items() if k.startswith('grad.')
    }
    assert stored
    for key, value in stored.items():
        ours = converted_gradient(key, grads)
        close(ours.reshape(value.shape), value, GRAD_RTOL)


def test_affinity_alone_reaches_queries_and_keys(golden) -> None:
    data = golden('afa_network')
    model = built(data)
    losses(data, model)['aff'].backward()
    grads = {k: p.grad for k, p in model.named_parameters() if p.grad is not None}
    stored = {
        k.removeprefix('grad_aff_only.'): v
        for k, v in data.items()
        if k.startswith('grad_aff_only.')
    }
    assert stored
    for key, value in stored.items():
        ours = converted_gradient(key, grads).reshape(value.shape)
        close(ours, value, GRAD_RTOL)
        keys, values = ours.chunk(2)
        assert keys.any() and not values.any()


def test_frozen_parameters_are_the_published_group(golden) -> None:
    data = golden('afa_network')
    model = tiny_afa(data, freeze_norm=True)
    frozen = {k for k, p in model.named_parameters() if not p.requires_grad}
    groups = {
        name: [str(k) for k in data[f'group_{name}']]
        for name in ('backbone', 'norm', 'heads', 'decoder')
    }
    full = state_dict(data)
    assert frozen == set(convert_afa({k: full[k] for k in groups['norm']}))
    names = dict(model.named_parameters())
    trained = {
        part: {k for k in names if k.startswith(part) and k not in frozen}
        for part in ('backbone', 'decode_head')
    }
    parts = dict(backbone='backbone', decode_head='decoder')
    for part, group in parts.items():
        expected = convert_afa({k: full[k] for k in groups[group]})
        assert trained[part] == set(expected)
    heads = convert_afa({k: full[k] for k in groups['heads']})
    assert set(heads) == {k for k in names if k.startswith(('cam_', 'affinity_'))}


def test_unknown_and_missing_keys_are_refused(golden) -> None:
    state = state_dict(golden('afa_network'))
    with pytest.raises(ValueError, match=r'decoder\.extra'):
        convert_afa(state | {'decoder.extra': torch.zeros(1)})
    state.pop('encoder.block1.0.attn.kv.bias')
    with pytest.raises(ValueError, match=r'block1\.0\.attn\.q\.bias, but not .*kv'):
        convert_afa(state)
