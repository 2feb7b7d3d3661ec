# Licensed under Apache-2.0.
"""Queries, keys, both teachers and the queue of one step of SeCo (section 4)."""

from __future__ import annotations

import torch
from torch import Tensor

from mmwsss.methods.seco.seco import SeCo
from mmwsss.methods.seco.seco_keys import convert_seco
from mmwsss.methods.seco.tagged_crops import TaggedViews
from tests.goldens.seco_model import below, close, tensors, tiny_seco


def step(data, monkeypatch) -> tuple[SeCo, dict[str, Tensor], dict[str, Tensor]]:
    """The model after its step, and what its loss was given."""
    given = tensors(data)
    size, num = given['local_q'].shape[-1], int(data['crop_num'])
    model = tiny_seco(
        data,
        weights=dict(lil=1.0, lig=1.0),
        local_crops=dict(crop_num=num, crop_size=size),
        ema_momentum=float(data['f64_momentum']),
    )
    seen: dict[str, Tensor] = {}
    names = ('q', 'tags', 'keys', 'key_tags', 'prototypes')

    def loss(*arguments: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        seen.update(zip(names, arguments, strict=True))
        return dict(lil=arguments[0].sum(), lig=arguments[0].sum()), arguments[1]

    monkeypatch.setattr(model.losses['contrast'], 'forward', loss)
    crops = dict(view1=given['local_q'], local=given['local_k'])
    views = dict(view1=given['view_raw'], view2=given['view_weak'], local=None)
    monkeypatch.setattr(
        model.crops, 'cut', lambda images, _: cut[id(images)].flatten(0, 1)
    )
    views['local'] = torch.zeros_like(views['view1'])
    cut = {id(views[name]): crops[name] for name in crops}
    batch = len(given['view_raw'])
    corners = torch.zeros(batch, num, 2, dtype=torch.long)
    tagged = TaggedViews(corners, given['tags'].view(batch, 2 + num), corners)
    model.averaged.follow(model.train_cfg['ema_momentum'])
    _, tokens = model.encode_views(views)
    model.contrast(views, tokens, tagged)
    return model, seen, given


def test_queries_and_keys(golden, monkeypatch) -> None:
    data = golden('seco_teacher')
    _, seen, given = step(data, monkeypatch)
    rows = len(given['tags'])
    close(seen['q'], data['out_q'])
    close(seen['keys'][:rows], data['out_k'])
    close(seen['keys'][rows:], data['after.queue'])
    both = torch.cat([seen['tags'], seen['key_tags']])
    assert both.tolist() == given['all_tags'].tolist()


def test_gradients(golden, monkeypatch) -> None:
    data = golden('seco_teacher')
    model, seen, given = step(data, monkeypatch)
    (seen['q'] * given['upstream']).sum().backward()
    for name, expected in below(data, 'grad.').items():
        ours = next(iter(convert_seco({name: torch.empty(0)})))
        close(model.get_parameter(ours).grad, expected, 1e-4)
    assert not any(p.grad is not None for p in model.backbone_ema.parameters())


def test_teachers_and_queue_after(golden, monkeypatch) -> None:
    data = golden('seco_teacher')
    model, _, _ = step(data, monkeypatch)
    ours = model.state_dict()
    for name, expected in convert_seco(tensors(below(data, 'after.'))).items():
        close(ours[name], expected.numpy())
