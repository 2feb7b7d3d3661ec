# Licensed under Apache-2.0.
"""The benchmark of voting over segments: its commands, what is kept, the table."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.helpers.methods import ROOT


@pytest.fixture
def script(load_tool) -> ModuleType:
    return load_tool(ROOT / 'benchmarks' / 'segment_vote.py')


def test_rows_build_and_tools_take_their_commands(script, load_tool, tmp_path) -> None:
    """Each labeler with the segments that it reads; every command line is one."""
    places = script.Places(tmp_path, tmp_path / 'work')
    refine = load_tool(ROOT / 'tools' / 'refine_labels.py')
    for name, row in script.ROWS.items():
        assert row.masks in ('', *script.ROWS)
        command = script.mask_command(places, 'cam', name)
        args = refine.parse_args(command[1:])
        cfg = refine.RefineCfg(
            kind=args.kind,
            labeler=refine.read_labeler(args.labeler),
            side_inputs=args.segments
            and dict(segments=refine.read_segments_entry(args.segments)),
        )
        assert ('segments' in cfg.built_labeler.side_inputs) == bool(row.segments)
    cut = load_tool(ROOT / 'tools' / 'dataset_converters' / 'superpixels.py')
    for name in script.SEGMENTS:
        args = cut.parse_args(script.segment_command(places, name)[1:])
        cut.settings_of(args)
        assert args.images.name == ('masks' if name == 'components' else 'images')
    evaluate = load_tool(ROOT / 'tools' / 'eval_cam.py')
    assert evaluate.parse_args(script.score_command(places, 'cam', 'felz')[1:]).boundary
    generate = load_tool(ROOT / 'tools' / 'generate_pseudo_labels.py')
    for network in script.NETWORKS:
        args = generate.parse_args(script.cam_command(places, network)[1:])
        assert Path(args.checkpoint).is_file()


def test_what_is_there_is_not_made_again(script, tmp_path, monkeypatch) -> None:
    made = []

    def tool(command) -> None:
        made.append(Path(command[0]).stem)
        if made[-1] == 'eval_cam':
            figures = dict.fromkeys(script.FIGURES, 12.34) | dict(images=200)
            Path(command[command.index('--out') + 1]).write_text(json.dumps(figures))

    monkeypatch.setattr(script, 'run', tool)
    monkeypatch.chdir(tmp_path)
    out = tmp_path / 'found.json'
    options = ['--data', str(tmp_path), '--work-dir', str(tmp_path), '--out', str(out)]
    rows = ['--rows', 'threshold', 'slic200']
    for _ in range(2):
        script.main([*options, *rows])
    each = ['refine_labels', 'eval_cam']
    assert made == [
        *('generate_pseudo_labels', *each) * 2,
        *('superpixels', *each, *each),
    ]
    lines = out.with_suffix('.md').read_text().splitlines()
    assert len(lines) == 6 and lines[2].startswith('| CAM at the threshold | 12.3 |')
    assert 'ToCo: CAM at the threshold 12.3' in lines[-1]
