# Licensed under Apache-2.0.
"""CLIP-ES from a public file to masks, by the ordinary tools; no GPU, no training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmwsss.evaluation.text_agreement import DOUBT, FEW, TRUST, text_agreement
from mmwsss.io.errors import UserError
from mmwsss.pipeline.generate.generate_cfg import GenerateCfg
from mmwsss.pipeline.generate.generate_labels import generate_labels
from mmwsss.pipeline.inference import init_model
from tests.helpers.generation import LABELS, NAMES, draw_data, read_png
from tests.helpers.tiny_clip import clip_es_cfg, openai_state
from tests.helpers.tools import load_tool
from tests.helpers.training import ROOT

LABELER = dict(
    type='ConfidentLabeler',
    conf_thr=0.95,
    refiner=dict(type='DenseCRF', preset='deeplab', picture='wrapped', unary='half'),
)


@pytest.fixture(scope='module')
def place(tmp_path_factory) -> Path:
    """Pictures with image labels, a public file, a config and its checkpoint."""
    folder = tmp_path_factory.mktemp('clip_es')
    data = draw_data(folder / 'data')
    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/shapes_96.py')
    cfg.model = dict(type='CLIPES', **clip_es_cfg(texts=dict(num_background=25)))
    cfg.labeler = LABELER
    cfg.default_scope = 'mmwsss'
    cfg.train_dataloader.dataset.data_root = str(data)
    cfg.test_dataloader.dataset.update(
        data_root=str(data),
        pipeline=[
            dict(type='LoadPicture'),
            dict(type='LoadMask'),
            dict(type='PILMultiScale', scales=(1.0,), rounding=16),
            dict(type='PackWeakInputs'),
        ],
    )
    cfg.dump(folder / 'config.py')
    torch.save(openai_state(), folder / 'theirs.pth')
    converter = load_tool('tools/model_converters/clip.py')
    files = [str(folder / name) for name in ('theirs.pth', 'ours.pth', 'config.py')]
    converter.main([*files[:2], '--config', files[2]])
    return folder


def test_masks_and_maps(place, tmp_path) -> None:
    """Of the classes that image labels name, and unsure pixels are 255."""
    settings = GenerateCfg(save=('mask', 'cam'))
    report = generate_labels(
        place / 'config.py', str(place / 'ours.pth'), tmp_path / 'out', settings
    )
    assert report.images == len(NAMES) and not report.failed
    classes = (place / 'data/classes.txt').read_text().split()
    unsure = []
    for name, labels in zip(NAMES, LABELS, strict=True):
        mask = read_png(tmp_path / 'out/mask' / f'{name}.png')
        ids = {classes.index(one) + 1 for one in labels}
        assert set(np.unique(mask)) <= ids | {0, 255}
        unsure.append((mask == 255).mean())
    assert max(unsure) > 0 and min(unsure) < 1


def test_text_scores(place, tmp_path, monkeypatch) -> None:
    tool = load_tool('tools/analysis_tools/text_scores.py')
    out = tmp_path / 'scores.json'
    arguments = [str(place / name) for name in ('config.py', 'ours.pth')]
    found = tool.main([*arguments, '--out', str(out)])
    assert found['pictures'] == len(NAMES)
    assert found['classes']['dots']['pictures'] == 2
    assert {row['verdict'] for row in found['classes'].values()} == {FEW}
    assert json.loads(out.read_text())['pictures'] == len(NAMES)
    assert tool.main([*arguments, '--number', '2'])['pictures'] == 2
    with pytest.raises(ValueError, match='--trust must be in'):
        tool.main([*arguments, '--trust', '2'])


def test_text_scores_need_texts(place, monkeypatch) -> None:
    from mmwsss.pipeline.evaluate import measure_text_scores as measure

    model = init_model(str(place / 'config.py'), str(place / 'ours.pth'))
    del model.texts
    with pytest.raises(UserError, match='has no class texts'):
        measure.measure_text_scores(model)


def test_agreement() -> None:
    """A class that is ranked well, one that isn't, one of which there are too few."""
    truth = np.zeros((40, 3))
    truth[:20, 0] = truth[::2, 1] = truth[:2, 2] = 1
    noise = np.random.RandomState(0).rand(40)
    score = np.stack([truth[:, 0] + noise / 2, noise, truth[:, 2]], 1)
    rows = text_agreement(truth, score)
    assert [row.verdict for row in rows] == [TRUST, DOUBT, FEW]
    assert rows[0].precision == rows[0].gain == 1 and rows[0].chance == 0.5
    assert rows[1].gain < 0.5 < rows[1].precision + 0.3
    with pytest.raises(ValueError, match='trusted must be in'):
        text_agreement(truth, score, trusted=2)


def test_training_is_refused(place) -> None:
    """In one line, before the first iteration."""
    from mmengine.optim import build_optim_wrapper

    cfg = Config.fromfile(ROOT / 'configs/_base_/schedules/schedule_20k.py')
    model = init_model(str(place / 'config.py'), str(place / 'ours.pth'))
    with pytest.raises(UserError, match='nothing to train'):
        build_optim_wrapper(model, cfg.optim_wrapper)
