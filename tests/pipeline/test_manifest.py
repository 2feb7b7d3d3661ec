# Licensed under Apache-2.0.
"""Folders that know their settings."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmwsss.io.settings_hash import settings_hash
from mmwsss.pipeline.fingerprint import differences, weights_hash
from mmwsss.pipeline.manifest import ManifestMismatch, claim_folder, read_manifest

SETTINGS = dict(refine='par', thresholds=(0.3, 0.7), model=dict(type='X', depth=2))


def test_a_folder_is_claimed_once(tmp_path) -> None:
    first = claim_folder(tmp_path / 'new', SETTINGS, images=3)
    assert first['images'] == 3 and read_manifest(tmp_path / 'new') == first
    again = claim_folder(tmp_path / 'new', dict(reversed(SETTINGS.items())), images=4)
    assert again['settings_hash'] == first['settings_hash'] and again['images'] == 4
    changed = SETTINGS | dict(model=dict(type='X', depth=3), alpha=None)
    with pytest.raises(
        ManifestMismatch,
        match=r'alpha: nothing → null; '
        r'model\.depth: 2 → 3\. Fix',
    ):
        claim_folder(tmp_path / 'new', changed)
    assert read_manifest(tmp_path / 'new') == again


def test_differences() -> None:
    assert differences(dict(a=1, b=[1, 2]), dict(a=1, b=[1, 2])) == []
    assert differences(dict(a=True), dict(a=1)) == ['a: true → 1']
    steps = [dict(type='Load', backend='x' * 60), dict(type='Crop', size=96)]
    other = [steps[0], dict(type='Crop', size=64)]
    assert differences(dict(a=steps), dict(a=other)) == ['a.1.size: 96 → 64']
    assert len(differences(dict(a=steps), dict(a=steps[:1]))) == 1
    assert settings_hash(SETTINGS) != settings_hash(SETTINGS | dict(refine='crf'))


def test_no_manifest(tmp_path) -> None:
    assert read_manifest(tmp_path) is None
    for text in ('{', '[]', '{"images": 3}'):
        (tmp_path / 'manifest.json').write_text(text)
        with pytest.raises(ValueError, match='is no manifest'):
            read_manifest(tmp_path)


def test_weights() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    before = weights_hash(model)
    assert before == weights_hash(model)
    model[1].running_mean += 1
    assert weights_hash(model) != before
