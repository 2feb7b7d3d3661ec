# Licensed under Apache-2.0.
"""The benchmark of what to annotate next: runs, and a table of made-up scores."""

from __future__ import annotations

from types import ModuleType

import pytest
from mmengine.config import Config

from tests.helpers.training import ROOT


@pytest.fixture
def script(load_tool) -> ModuleType:
    return load_tool(ROOT / 'benchmarks' / 'animals_partial.py')


def test_rows_differ_in_what_is_known_alone(script, tmp_path) -> None:
    args = script.parse_args(['--iters', '40', '--work-dir', str(tmp_path)])
    plain = script.experiment('labels', 0, args, None)
    known = script.experiment('masks_20', 0, args, tmp_path / 'maps')
    extra = set(known.options) - set(plain.options)
    assert extra == {
        f'train_dataloader.dataset.side_inputs.partial.dir={tmp_path / "maps"}'
    }
    assert 'train_cfg.max_iters=40' in plain.options
    one, other = (Config.fromfile(ROOT / e.config) for e in (plain, known))
    weights = other.model.train_cfg.weights.to_dict()
    assert weights.pop('partial') and weights == one.model.train_cfg.weights.to_dict()
    partial = other.train_dataloader.dataset.side_inputs.partial
    assert (partial.root, partial.kind) == ('.', 'ids')
    steps = [step['type'] for step in other.train_dataloader.dataset.pipeline]
    plain_steps = [step['type'] for step in one.train_dataloader.dataset.pipeline]
    assert [s for s in steps if s != 'LoadSideInputs'] == plain_steps


def test_table(script) -> None:
    def run(seg: float, annotated: int) -> dict:
        return dict(
            metrics=dict(seg_mIoU=seg, cam_mIoU=40.0),
            train_cost=dict(seconds=900, peak_mib=1000),
            iters=600,
            annotated=annotated,
        )

    results = dict(
        labels={'0': run(50, 0)}, masks_20={'0': run(52, 20), '1': run(54, 20)}
    )
    lines = script.table(results).splitlines()
    assert lines[2] == '| nothing | 0 | 50.0 | 40.0 | – | – | 600 | 15 min | 1 |'
    assert lines[3].startswith('| 20 masks | 20 | 53.0 ± 1.4 |') and len(lines) == 4


def test_labels_are_made_once(script, tmp_path, monkeypatch) -> None:
    calls = []

    def tool(command, log, echo, root, cwd=None):
        calls.append(command)
        folder = command[command.index('--out') + 1]
        script.Path(folder).mkdir()
        (script.Path(folder) / 'a.bin').write_bytes(b'')
        (script.Path(folder) / '.made_by_mmwsss.txt').write_text('a.bin\n')

    monkeypatch.setattr(script, 'run_command', tool)
    args = script.parse_args(['--work-dir', str(tmp_path)])
    folder = script.make_labels('points', 0, args)
    assert script.make_labels('points', 0, args) == folder and len(calls) == 1
    assert '--points' in calls[0] and calls[0][0].endswith('partial_labels.py')
    script.make_labels('masks_20', 1, args)
    assert calls[1][calls[1].index('--seed') + 1] == '1'
