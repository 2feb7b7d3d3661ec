# Licensed under Apache-2.0.
"""When which loss term applies, also in the published configs."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config
from torch import nn

from mmwsss.models.loss_schedule import LossSchedule, Ramp, StepSchedule
from mmwsss.models.loss_terms import LossTerms, terms_given

CONFIGS = Path(__file__).parents[2] / 'configs'
CLS = dict(cls=1.0, cls_aux=1.0)
CONTRAST = dict(ptc=0.2, ctc=0.5)
SEG = dict(seg=0.1, reg=0.05)


def test_steps() -> None:
    value = StepSchedule([(0, 'a'), (5, 'b'), (9, 'c')])
    assert [value(i) for i in (0, 4, 5, 8, 9, 10**6)] == list('aabbcc')
    assert StepSchedule(0.3)(7) == 0.3
    assert StepSchedule('aux_cam')(7) == 'aux_cam'


@pytest.mark.parametrize(
    'steps', [[], [(1, 0.5)], [(0, 1.0), (5, 2.0), (3, 1.0)], [(0, 1.0), (0, 2.0)]]
)
def test_bad_steps(steps) -> None:
    with pytest.raises(ValueError, match='ascending'):
        StepSchedule(steps)


def test_terms_of_no_weight_are_left_out() -> None:
    schedule = LossSchedule(dict(a=1.0, b=[(0, 0.0), (3, 0.5)], c=0.0))
    assert schedule(2) == dict(a=1.0)
    assert schedule(3) == dict(a=1.0, b=0.5)


class Both(nn.Module):
    """A loss of two terms."""

    TERMS = ('near', 'far')


def test_a_loss_may_give_several_terms() -> None:
    model = nn.Module()
    model.losses = nn.ModuleDict(dict(cls=nn.Identity(), both=Both()))
    assert terms_given(model) == {'cls', 'near', 'far'}
    LossTerms(dict(weights=dict(cls=1.0, near=0.5, far=0.5)), {}).check(model, {})
    with pytest.raises(ValueError, match=r"names \['both'\].*\['cls', 'far', 'near'\]"):
        LossTerms(dict(weights=dict(both=1.0)), {}).check(model, {})


@pytest.mark.parametrize(
    'config,iteration,expected,source',
    [
        ('toco_vit-b_voc', 0, CLS | CONTRAST, 'cam'),
        ('toco_vit-b_voc', 2000, CLS | CONTRAST, 'cam'),
        ('toco_vit-b_voc', 2001, CLS | CONTRAST | SEG, 'cam'),
        ('toco_deit-b_voc', 2000, CLS | CONTRAST, 'cam'),
        ('toco_deit-b_voc', 19999, CLS | CONTRAST | SEG, 'cam'),
        ('toco_vit-b_coco', 0, CLS, 'aux_cam'),
        ('toco_vit-b_coco', 8000, CLS, 'aux_cam'),
        ('toco_vit-b_coco', 8001, CLS | SEG, 'aux_cam'),
        ('toco_vit-b_coco', 12000, CLS | SEG, 'aux_cam'),
        ('toco_vit-b_coco', 12001, CLS | SEG | CONTRAST, 'cam'),
        ('toco_deit-b_coco', 8001, CLS | SEG, 'aux_cam'),
        ('toco_deit-b_coco', 79999, CLS | SEG | CONTRAST, 'cam'),
    ],
)
def test_published_phases(config, iteration, expected, source) -> None:
    """The conditions are ``<=``: the last warm-up iteration still is one."""
    train_cfg = Config.fromfile(CONFIGS / 'toco' / f'{config}.py').model.train_cfg
    assert LossSchedule(train_cfg.weights)(iteration) == expected
    assert StepSchedule(train_cfg.pseudo_source)(iteration) == source


@pytest.mark.parametrize(
    'dataset,temperature,high,bkg', [('voc', 0.5, 0.7, 0.5), ('coco', 1.0, 0.65, 0.45)]
)
@pytest.mark.parametrize('backbone', ['vit-b', 'deit-b'])
def test_published_settings(backbone, dataset, temperature, high, bkg) -> None:
    cfg = Config.fromfile(CONFIGS / 'toco' / f'toco_{backbone}_{dataset}.py')
    model = cfg.model
    assert model.losses.ctc.temperature == temperature
    assert model.labeler.high_thr == high
    assert model.labeler.low_thr == 0.25
    assert cfg.val_evaluator.get('bkg_thr', 0.5) == bkg
    assert cfg.test_evaluator.get('bkg_thr', 0.5) == bkg
    assert tuple(model.backbone.out_indices) == (9, 11)
    assert not model.train_cfg.scale_token_box  # as released
    assert model.num_classes == dict(voc=21, coco=81)[dataset]
    assert tuple(cfg.tta_cfg.seg.scales)[0] == 1.0 and cfg.tta_cfg.seg.mirror


# ------------------------------------------------------------------ ramps
@pytest.mark.parametrize('shape', ['linear', 'cosine'])
def test_ramp(shape: str) -> None:
    """Monotonous from start to end, and the end from then on."""
    ramp = Ramp(0.9, 1.0, 10, shape)
    values = [ramp(i) for i in range(12)]
    assert values[0] == pytest.approx(0.9) and values[10:] == [1.0, 1.0]
    assert values == sorted(values)
    # a linear one has arrived at its last iteration, a cosine one not quite
    assert (values[9] == pytest.approx(1.0)) == (shape == 'linear')
    assert Ramp(0.04, 0.07, 1, shape)(0) == pytest.approx(0.04)


@pytest.mark.parametrize(
    'change,message',
    [(dict(iters=0), 'iters >= 1, got 0'), (dict(shape='step'), "got 'step'")],
)
def test_bad_ramp(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Ramp(**dict(start=0.0, end=1.0, iters=5) | change)


@pytest.mark.parametrize('config', ['voc', 'coco'])
def test_fsr_phases(config: str) -> None:
    """The first iteration of each term, and of guided masks (its description)."""
    train_cfg = Config.fromfile(CONFIGS / f'fsr/fsr_vit-b_{config}.py').model.train_cfg
    schedule = LossSchedule(train_cfg.weights)
    seg, ptc, guided = dict(voc=(2000, 0, 4000), coco=(8000, 12000, 16000))[config]
    always = dict(cls=1.0, cls_aux=1.0, unc=0.1, cer=0.1)
    for begin, terms in ((seg, dict(seg=0.1, reg=0.05)), (ptc, dict(ptc=0.2))):
        for iteration in {max(begin - 1, 0), begin}:
            now = schedule(iteration)
            assert always.items() <= now.items()
            assert (terms.items() <= now.items()) == (iteration >= begin)
            assert set(now) - set(always) <= {'seg', 'reg', 'ptc'}
    strategy = StepSchedule(train_cfg.mask.strategy)
    assert [strategy(guided - 1), strategy(guided)] == ['random', 'uncertain']
