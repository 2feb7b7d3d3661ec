# Licensed under Apache-2.0.
"""The network's own label: the masks where nothing else is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmwsss.datasets.transforms.load_picture import LoadPicture
from mmwsss.datasets.transforms.pack_weak_inputs import PackWeakInputs
from mmwsss.pipeline.generate.generate_cfg import GenerateCfg
from mmwsss.pipeline.inference import init_model
from tests.helpers.generation import (
    IDS,
    LABELS,
    NAMES,
    config_of,
    read_png,
    weights_of,
)


def masks_of(out: Path) -> dict[str, np.ndarray]:
    return {path.stem: read_png(path) for path in (out / 'mask').iterdir()}


@pytest.mark.parametrize('refiner', [True, False])
def test_the_labeler_of_the_network_makes_the_masks(run, place, refiner) -> None:
    """Where nothing else is said: as training and prediction do, whatever it is."""
    rule = dict(type='ThresholdLabeler', bkg_thr=0.35)
    if refiner:
        rule['refiner'] = dict(type='PAR', num_iters=3)
    cfg = config_of('cam', place / 'data')
    cfg.model.labeler = rule
    found = {
        name: masks_of(run('cam', name, cfg=cfg, save=('mask',), **settings)[1])
        for name, settings in dict(
            default={},
            own=dict(refine='own'),
            other=dict(refine='own', bkg_thr=(0.6,)),
            threshold=dict(bkg_thr=(0.6,)),
            none=dict(refine='none'),  # of the evaluator
            half=dict(bkg_thr=(0.5,)),
        ).items()
    }
    model = init_model(cfg, weights_of('cam', place))
    for name, labels in zip(NAMES, LABELS, strict=True):
        item = dict(
            img_path=str(place / 'data' / 'JPEGImages' / f'{name}.jpg'),
            gt_labels=tuple(IDS[one] - 1 for one in labels),
            num_foreground=6,
        )
        packed = PackWeakInputs()(LoadPicture()(item))
        batch = {key: [value] for key, value in packed.items()}
        sample = model.predict(
            **model.data_preprocessor(batch), outputs=('pseudo',), cam_filter='gt'
        )[0]
        want = sample.pred_pseudo.data[0].numpy()
        assert np.array_equal(found['default'][name], want)
        assert np.array_equal(found['own'][name], want)
        assert np.array_equal(found['none'][name], found['half'][name])
        same = np.array_equal(found['other'][name], found['threshold'][name])
        assert same or refiner
    assert any((found['default'][n] != found['none'][n]).any() for n in NAMES)


def test_an_own_label_that_there_is_not(run, place) -> None:
    with pytest.raises(ValueError, match=r"no thresholds \['bkg_thr'\]"):
        run(refine='own', save=('mask',), bkg_thr=(0.5,))
    cfg = config_of('toco', place / 'data')
    cfg.model.labeler = None
    cfg.model.test_cfg.outputs = ('cam',)
    cfg.model.train_cfg['weights'] = dict(cls=1.0)
    with pytest.raises(ValueError, match="'own' needs a labeler, ToCo of this config"):
        run(cfg=cfg, refine='own', save=('mask',))
    for more in (dict(preset='irn'), dict(alpha=4.0), dict(source='seg')):
        with pytest.raises(ValueError, match='CRF|takes the place|background of its'):
            GenerateCfg(refine='own', **more)
