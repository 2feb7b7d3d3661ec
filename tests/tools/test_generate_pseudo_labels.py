# Licensed under Apache-2.0.
"""The command line that generates labels (its runs: tests/pipeline/generate)."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmwsss.pipeline.generate.generate_cfg import GenerateCfg

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tool(load_tool):
    return load_tool(ROOT / 'tools' / 'generate_pseudo_labels.py')


def test_defaults(tool) -> None:
    args = tool.parse_args(['a.py', 'a.pth', '--out', 'out'])
    assert tool.settings_of(args) == GenerateCfg()
    assert (args.launcher, args.workers, args.batch_size) == ('none', None, None)


def test_every_option(tool) -> None:
    args = tool.parse_args(
        [
            'a.py',
            'a.pth',
            '--out',
            'out',
            '--refine',
            'crf',
            '--save',
            'mask,prob',
            '--split',
            'train_aug',
            '--bkg-thr',
            '0.2',
            '0.6',
            '--preset',
            'irn',
            '--unary',
            'labels',
            '--cam-filter',
            'pred',
            '--stride',
            '2',
            '--dtype',
            'uint8',
            '--cfg-options',
            'model.num_classes=3',
        ]
    )
    assert tool.settings_of(args) == GenerateCfg(
        refine='crf',
        save=('mask', 'prob'),
        split='train_aug',
        bkg_thr=(0.2, 0.6),
        preset='irn',
        unary='labels',
        cam_filter='pred',
        stride=2,
        dtype='uint8',
    )
    args = tool.parse_args(['a.py', 'a.pth', '--out', 'o', '--source', 'seg'])
    assert tool.settings_of(args).source == 'seg'
    args = tool.parse_args(['a.py', 'a.pth', '--out', 'o', '--alpha', '4'])
    assert tool.settings_of(args).alpha == 4
    args = tool.parse_args(
        [
            'a.py',
            'a.pth',
            '--out',
            'o',
            '--save',
            'fused,mask',
            '--refine',
            'crf',
            '--unary',
            'labels',
            '--num-classes',
            '21',
            '--bkg-thr',
            '0.2',
        ]
    )
    assert tool.settings_of(args) == GenerateCfg(
        'crf', ('fused', 'mask'), bkg_thr=(0.2,), unary='labels', num_classes=21
    )


@pytest.mark.parametrize(
    'arguments',
    [
        ['a.py', 'a.pth'],
        ['a.py', '--out', 'o'],
        ['a.py', 'a.pth', '--out', 'o', '--refine', 'x'],
        ['a.py', 'a.pth', '--out', 'o', '--affinity', 'b.py'],
    ],
)
def test_bad_command_lines(tool, arguments) -> None:
    with pytest.raises(SystemExit):
        tool.parse_args(arguments)


def test_segments_that_no_rule_reads(tool) -> None:
    """Refused before the network is read."""
    options = ['configs/cam/cam_vit-t_shapes.py', 'a.pth', '--out', 'o']
    for rule in (['--bkg-thr', '0.3'], ['--labeler', 'ComplementLabeler']):
        with pytest.raises(ValueError, match='reads no segments: leave them out'):
            tool.main([*options, *rule, '--segments', 'folder'])
