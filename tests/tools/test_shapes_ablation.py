# Licensed under Apache-2.0.
"""Results of the Shapes ablation survive a call for other rows."""

from __future__ import annotations

import json
from types import ModuleType

import pytest

from tests.helpers.training import ROOT


@pytest.fixture
def script(load_tool) -> ModuleType:
    return load_tool(ROOT / 'benchmarks' / 'shapes_ablation.py')


def result(seg: float) -> dict:
    return dict(config='c.py', seconds=1, metrics=dict(seg_mIoU=seg))


def test_a_fresh_clone_keeps_rows(script: ModuleType, tmp_path) -> None:
    """Without a work folder, the rows of the results file stay in both files."""
    out = tmp_path / 'results.json'
    out.write_text(
        json.dumps(
            dict(sup={'0': result(85.0), '1': result(87.0)}, gone={'0': result(1.0)})
        )
    )
    args = script.parse_args(['--out', str(out), '--work-dir', str(tmp_path / 'work')])
    known = script.finished(args)
    assert known == dict(sup={'0': result(85.0), '1': result(87.0)})
    known.setdefault('fsr', {})['0'] = result(60.0)
    script.write_results(known, script.table(known), out)
    assert script.finished(args) == known
    rows = out.with_suffix('.md').read_text().splitlines()
    assert [line.split(' | ')[0] for line in rows[2:]] == [
        '| fully supervised',
        '| FSR, + L_unc + L_cer',
    ]
    assert '86.0 ± 1.4' in rows[2] and '60.0 |' in rows[3]


def test_work_folder_replaces(script: ModuleType, tmp_path, monkeypatch) -> None:
    out = tmp_path / 'results.json'
    out.write_text(json.dumps(dict(sup={'0': result(85.0), '1': result(87.0)})))
    args = script.parse_args(
        ['--out', str(out), '--work-dir', str(tmp_path / 'work'), '--seeds', '0']
    )
    monkeypatch.setattr(
        script.Experiment,
        'stored_result',
        lambda self: result(80.0) if 'sup/seed_0' in str(self.work_dir) else None,
    )
    assert script.finished(args) == dict(sup={'0': result(80.0), '1': result(87.0)})


@pytest.mark.parametrize('text', ['', '[1]', '{"sup": 3}'])
def test_a_strange_file_is_named(script: ModuleType, tmp_path, text: str) -> None:
    out = tmp_path / 'results.json'
    out.write_text(text)
    with pytest.raises(ValueError, match=r'results\.json is no results file'):
        script.read_results(out, script.ROWS)
