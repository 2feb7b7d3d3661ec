# Licensed under Apache-2.0.
"""MoRe through the shared tester, and what only it has."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from mmwsss.io.errors import UserError
from mmwsss.testing import (
    MethodTester,
    assert_outputs,
    build,
    fields,
    gradients,
    load_config,
    predict_batch,
    step,
    terms_of,
    total,
)
from mmwsss.testing.tiny_batches import labels_of

MORE = 'configs/more/more_vit-t_shapes.py'
LAM = 'configs/more/more_vit-t_shapes_lam.py'
#: iterations of the config: classification and tokens; segmentation; the final CAM
FIRST, SEGMENTATION, FINAL = 0, 120, 300
RULE = dict(source='cam', low_thr=0.35, high_thr=0.6)


class TestMoRe(MethodTester):
    """Tokens of classes, graph, token losses."""

    config = MORE
    encoded = (
        (2, 3, 96, 96),
        (2, 3, 96, 96),  # the mirrors, for the CAM
        (4, 3, 48, 48),  # its two other scales, with mirrors
        (4, 3, 144, 144),
    )
    refused = (
        (dict(aux_cam_head=None), 'cls_aux needs a aux_cam_head'),
        (dict(labeler=None), 'needs a labeler'),
        (dict(decode_head=None), 'needs a decode_head'),
        (dict(losses=dict(cls=dict(type='MultiLabelSoftMargin'))), r"\['cle', "),
        (dict(lam='map'), "model.lam must be one of .*got 'map'"),
        (dict(graph=dict(type='CategoryGraph', score='mean')), 'graph.score must be'),
    )

    def test_who_learns_from_which_term(self) -> None:
        """cle and mct teach tokens and graph, une and ptc the patches alone."""
        for term, graph, head in (
            ('mct', True, False), ('cle', True, False), ('une', False, False),
            ('ptc', False, False), ('cls', False, True),
        ):  # fmt: skip
            model = build(MORE)
            weights = dict.fromkeys(model.terms.names, 0.0) | {term: 1.0}
            model = build(MORE, weights=weights)
            losses = step(model, FINAL)
            assert terms_of(losses) == {term}
            grads = gradients(model, total(losses))
            assert grads['backbone.cls_token'].any(), term
            for part, learns in (('graph.', graph), ('cam_head.', head)):
                any_grad = any(g.any() for k, g in grads.items() if k.startswith(part))
                assert any_grad == learns, (term, part)

    def test_without_a_graph(self) -> None:
        """Class tokens as they are: a model without the layer."""
        cfg = load_config(MORE)
        cfg.model.graph = None
        model = build(cfg)
        losses = step(model, FINAL)
        assert terms_of(losses) == model.terms.names
        assert not [key for key in model.state_dict() if key.startswith('graph')]
        assert losses['loss_mct'] != plain_losses()['loss_mct']


@cache
def plain_losses() -> dict[str, Tensor]:
    """Those of the config as it stands."""
    return step(build(MORE), FINAL)


def with_model(**settings: Any):
    """The network of the config, with other settings of ``model``."""
    cfg = load_config(MORE)
    cfg.merge_from_dict({'model': settings})
    return build(cfg)


@pytest.mark.parametrize(
    'setting,changed',
    [
        (dict(graph=dict(score='inner')), {'mct', 'cle', 'une'}),
        (dict(losses=dict(une=dict(taken='centre'))), {'une'}),
        (dict(losses=dict(mct=dict(classify=True))), {'mct'}),
        (dict(losses=dict(cle=dict(temperature=0.1))), {'cle'}),
        (dict(train_cfg=dict(scale_token_box=True)), {'ptc', 'cle', 'une'}),
    ],
)
def test_options_act(setting: dict[str, Any], changed: set[str]) -> None:
    """Every option changes the terms that it is about, and no other."""
    plain, other = plain_losses(), step(with_model(**setting), FINAL)
    assert all(torch.isfinite(v) for v in other.values())
    differ = {t for t in terms_of(plain) if plain[f'loss_{t}'] != other[f'loss_{t}']}
    assert differ == changed


def test_token_labels_have_rules_of_their_own() -> None:
    """The rule of an iteration is that of its step; of ``cle`` not that of ``une``."""
    losses = [step(build(MORE), i) for i in (FINAL - 1, FINAL)]
    differ = {t for t in terms_of(losses[0])
              if losses[0][f'loss_{t}'] != losses[1][f'loss_{t}']}  # fmt: skip
    assert differ == {'cle', 'une'}
    for name, term in (('certain', 'cle'), ('uncertain', 'une')):
        other = step(build(MORE, **{name: dict(RULE, high_thr=0.9)}), FINAL)
        plain = plain_losses()
        differ = {t for t in terms_of(plain)
                  if plain[f'loss_{t}'] != other[f'loss_{t}']}  # fmt: skip
        assert differ == {term}


@pytest.mark.parametrize(
    'change,message',
    [
        (dict(certain=None), 'cle needs a train_cfg.certain'),
        (dict(uncertain=None), 'une needs a train_cfg.uncertain'),
        (dict(certain=dict(source='cam')), 'must be dict'),
        (dict(certain=dict(RULE, source='seg')), 'certain.source must be one of'),
        (dict(uncertain=dict(RULE, low_thr=0.7)), '0 <= low_thr <= high_thr'),
        (dict(crop_num=3), r"reads no train_cfg entries \['crop_num'\]"),
    ],
)
def test_bad_settings(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(MORE, **change)


@pytest.mark.parametrize('tokens,spare', [(5, 4), (0, 4), (6, -1)])
def test_bad_numbers_of_tokens(tokens: int, spare: int) -> None:
    backbone = dict(num_tokens=tokens, spare_tokens=spare)
    with pytest.raises(UserError, match='num_tokens'):
        build(MORE, backbone=backbone)


def test_pictures_too_small_for_uncertain_tokens() -> None:
    model = build(MORE, backbone=dict(patch_size=16))  # 6 x 6 tokens
    with pytest.raises(ValueError, match='7 x 7 tokens or more, got 6 x 6'):
        step(model, FINAL)


# ------------------------------------------------------------------------- prediction
@pytest.mark.parametrize('lam', ['tokens', 'attention'])
def test_the_map_is_an_output_of_its_own(lam: str) -> None:
    """With its own scales; which classes it has is the filter's."""
    model = with_model(lam=lam).eval()
    known = labels_of(model.num_foreground)
    outputs = ('cam', 'lam', 'cam_lam')
    samples = model.predict(**predict_batch(model, (0, 2)), outputs=outputs)
    assert_outputs(model, samples, outputs, [known[0], known[2]])
    more = model.predict(
        **predict_batch(model, (0, 2)), outputs=outputs, lam=dict(scales=(1.0, 0.5))
    )
    for one, other in zip(fields(samples), fields(more), strict=True):
        assert torch.equal(one['pred_cam.score'], other['pred_cam.score'])
        assert not torch.equal(one['pred_lam.score'], other['pred_lam.score'])


def test_negative_products_count(monkeypatch) -> None:
    """No ReLU: a map that is negative everywhere still has a strongest place."""
    model = build(MORE).eval()
    plain = model.further_maps
    monkeypatch.setattr(
        model,
        'further_maps',
        lambda *args: tuple(m._replace(maps=m.maps - 1e3) for m in plain(*args)),
    )
    shifted = fields(model.predict(**predict_batch(model), outputs=('lam',)))
    monkeypatch.undo()
    original = fields(model.predict(**predict_batch(model), outputs=('lam',)))
    for one, other in zip(shifted, original, strict=True):
        torch.testing.assert_close(
            one['pred_lam.score'], other['pred_lam.score'], atol=1e-3, rtol=1e-3
        )
    assert original[0]['pred_lam.score'].amax() > 0.9


@pytest.mark.parametrize('tta', [False, True])
def test_the_published_protocol(tta: bool) -> None:
    """A segmentation from the map, without a decoder's logits or image labels."""
    cfg = load_config(LAM)
    model = build(cfg).eval()
    settings = cfg.tta_cfg.to_dict() if tta else {}
    outputs = dict(outputs=('seg', 'prob', 'class_maps'))
    results = [
        model.predict(**predict_batch(model, labels=kind), **settings, **outputs)
        for kind in ('gt', 'none')
    ]
    for one, other in zip(*results, strict=True):
        assert 'seg_logits' not in one
        assert torch.equal(one.pred_sem_seg.data, other.pred_sem_seg.data)
        ids = {*one.class_maps[1].ids.tolist(), 0}
        assert set(one.pred_sem_seg.data.unique().tolist()) <= ids
        prob = one.pred_prob.data
        assert prob.shape == (model.num_classes, *one.ori_shape)
        torch.testing.assert_close(prob.sum(0), torch.ones(one.ori_shape))
        assert torch.equal(prob.argmax(0), one.pred_sem_seg.data[0])


def test_masks_from_the_map() -> None:
    """The network's own label, and maps to store, of the main map."""
    model = build(MORE).eval()
    found = {
        main: model.predict(
            **predict_batch(model), outputs=('pseudo', 'class_maps'), main_map=main
        )
        for main in ('cam', 'lam')
    }
    lam = model.predict(**predict_batch(model), outputs=('lam',))
    for cam, own, one in zip(found['cam'], found['lam'], lam, strict=True):
        assert not torch.equal(cam.pred_pseudo.data, own.pred_pseudo.data)
        assert torch.equal(own.class_maps[1].maps.amax(0), one.pred_lam.score[0])


@pytest.mark.parametrize(
    'settings,message',
    [
        (dict(main_map='cam_lam'), 'main_map must be one of'),
        (dict(outputs=('lam',), lam=dict(normalise='max')), 'signed map'),
        (dict(outputs=('lam',), lam=dict(normalise='none')), "outputs \\['lam'\\]"),
        (dict(seg=dict(source='maps')), "source='maps' and a labeler, or neither"),
        (dict(seg=dict(source='logits')), "source must be one of.*got 'logits'"),
        (
            dict(seg=dict(source='maps', labeler=dict(type='ThresholdLabeler',
                 bkg_thr=0.5)), post_processor=dict(type='DenseCRF')),
            'refined by its labeler',
        ),
    ],
)  # fmt: skip
def test_contradicting_predictions(settings: dict[str, Any], message: str) -> None:
    model = build(MORE).eval()
    with pytest.raises(ValueError, match=message):
        model.predict(**predict_batch(model), **settings)


def test_a_labeler_that_reads_side_inputs_makes_no_segmentation() -> None:
    model = build(MORE).eval()
    labeler = dict(type='SegmentVote', bkg_thr=0.4)
    with pytest.raises(UserError, match=r"SegmentVote reads \['segments'\]"):
        model.predict(**predict_batch(model), seg=dict(source='maps', labeler=labeler))


def test_81_classes_train_and_predict() -> None:
    """COCO as configured, with a small encoder."""
    small = dict(
        arch=dict(
            embed_dims=24, num_layers=12, num_heads=2, feedforward_channels=48
        ),
        img_size=96,
        patch_size=8,
    )  # fmt: skip
    cfg = load_config('configs/more/more_vit-b_coco.py')
    cfg.model.decode_head.channels = 16
    cfg.model.labeler.refiner.dilations = (1, 2)
    model = build(cfg, backbone=small)
    losses = step(model, 60000, images=(0, 2))
    assert terms_of(losses) == model.terms.names
    assert all(torch.isfinite(v) for v in losses.values())
    total(losses).backward()
    samples = model.eval().predict(**predict_batch(model), **cfg.tta_cfg)
    assert samples[0].seg_logits.data.shape[0] == 81
    assert_outputs(model, samples, ('seg',), labels_of(80))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_on_the_gpu(monkeypatch) -> None:
    """A step has the losses of the CPU, its places given."""
    found = []
    for device in ('cpu', 'cuda'):
        model = build(MORE).to(device)
        loss = model.losses['une']
        monkeypatch.setattr(loss, 'draw', lambda target, draw=loss.draw: (
            draw(target.cpu()).to(target.device)))  # fmt: skip
        found.append({k: v.cpu() for k, v in step(model, FINAL).items()})
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, rtol=1e-3, atol=1e-3)
