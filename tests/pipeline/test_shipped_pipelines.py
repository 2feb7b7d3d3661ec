# Licensed under Apache-2.0.
"""The pipelines and tools that come with mmwsss fit each other."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from mmengine.config import Config

from mmwsss.pipeline.stage_types import STAGE_TYPES
from mmwsss.pipeline.stages import read_stages
from tests.helpers.pipelines import ROOT


@pytest.mark.parametrize(
    'file', sorted(ROOT.glob('configs/*/*_pipeline.py')), ids=lambda f: f.stem
)
def test_shipped_pipelines(file, monkeypatch):
    """They are read; what they set in a config stands there already."""
    monkeypatch.chdir(ROOT)
    stages = read_stages(file)
    for stage in stages:
        for key in stage.cfg_options:
            place = Config.fromfile(stage.config, import_custom_modules=False)
            for word in key.split('.'):
                assert word in place, f'{stage.name}: {stage.config} has no {key}'
                place = place[word]
    assert stages[-1].type == 'test'


@pytest.mark.parametrize(
    'kind', [k for k, t in STAGE_TYPES.items() if (ROOT / t.tool).is_file()]
)
def test_the_tools_know_the_options(kind):
    entry = STAGE_TYPES[kind]
    run = subprocess.run(
        [sys.executable, ROOT / entry.tool, '--help'],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | dict(PYTHONPATH=str(ROOT), COLUMNS='300'),
    )
    options = [f'--{key.replace("_", "-")}' for key in entry.flags]
    options += [entry.out, *filter(None, [entry.resume])]
    options += ['--launcher'] if entry.distributed else []
    words = set(re.findall(r'--[\w-]+', run.stdout))
    assert set(options) <= words, set(options) - words
