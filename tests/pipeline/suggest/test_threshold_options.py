# Licensed under Apache-2.0.
from __future__ import annotations

from mmengine.config import Config

from mmwsss.evaluation.threshold_hints import ThresholdHint
from mmwsss.pipeline.suggest.threshold_options import options_of, thresholds_set
from mmwsss.testing.config_files import load_config

HINT = ThresholdHint(bkg_thr=0.44, low_thr=0.22, high_thr=0.72)


def test_of_a_shipped_config() -> None:
    cfg = load_config('configs/toco/toco_vit-t_shapes.py')
    assert options_of(cfg, HINT) == [
        'model.labeler.low_thr=0.22',
        'model.labeler.high_thr=0.72',
        'val_evaluator.bkg_thr=0.44',
        'test_evaluator.bkg_thr=0.44',
    ]
    # the options change what they name, and nothing is left as it was
    cfg.merge_from_dict(dict(part.split('=') for part in options_of(cfg, HINT)))
    assert cfg.model.labeler.low_thr == '0.22' and cfg.test_evaluator.bkg_thr == '0.44'


def test_wherever_they_stand() -> None:
    cfg = Config(
        dict(
            model=dict(
                segmentor=dict(
                    labeler=dict(type='ThresholdLabeler', bkg_thr=0.3),
                    test_cfg=dict(pseudo=dict(low_thr=None, high_thr=0.6)),
                ),
                self_training=dict(bkg_thr=0.45),
            ),
            labeler=dict(walk=dict(), labeler=dict(bkg_thr=0.25)),  # of other maps
            val_evaluator=None,
            test_evaluator=[dict(type='IoUMetric'), dict(type='mmwsss.WSSSMetric')],
            train_cfg=dict(bkg_thr=0.1),  # of something else
        )
    )
    assert thresholds_set(cfg) == {
        'model.segmentor.labeler.bkg_thr': 0.3,
        'model.segmentor.test_cfg.pseudo.high_thr': 0.6,
        'model.self_training.bkg_thr': 0.45,
        'test_evaluator.1.bkg_thr': 0.5,
    }
