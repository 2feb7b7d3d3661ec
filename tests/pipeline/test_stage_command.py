# Licensed under Apache-2.0.
"""The commands of the stages, as they run and as they are shown."""

from __future__ import annotations

import shlex

from mmwsss.pipeline.runner import dry_run, run_pipeline
from tests.helpers.pipelines import ROOT, STAGES, make_run, write_pipeline


def test_dry_run_shows_commands_and_does_nothing(tmp_path, work):
    config = write_pipeline(tmp_path)
    run = make_run(config, work, processes=2)
    decisions = dry_run(run)
    assert [d.action for d in decisions] == ['run'] + ['wait'] * 5
    assert not work.exists()
    commands = [line.split() for line in run.show if line.startswith('   python ')]
    assert commands[0][1:4] == ['-m', 'torch.distributed.run', '--standalone']
    assert '--nproc_per_node=2' in commands[0]
    assert commands[0][-2:] == ['--launcher', 'pytorch']
    assert commands[1][-8:-2] == [
        '--out',
        str(work / '02_masks/run'),
        '--refine',
        'par',
        '--split',
        'train',
    ]
    assert '{cam.checkpoint}' in commands[1]
    assert 'torch.distributed.run' not in commands[2]  # scoring is one process
    assert commands[2][-4:] == [
        '--out',
        str(work / '03_cam_score/run/metrics.json'),
        '--ann-dir',
        str(tmp_path / 'truth'),
    ]


def test_folders_with_blanks(tmp_path, work):
    """Also in the commands that are shown, which one may type."""
    config = write_pipeline(tmp_path / 'my configs')
    work = work.with_name('my work')
    run = make_run(config, work, last='mask_score')
    dry_run(run)
    shown = [line for line in run.show if line.startswith('   python ')]
    assert shlex.split(shown[0])[1:] == [
        str(ROOT / 'tests/helpers/standins/train.py'),
        str(work / '01_cam/net.py'),
        '--work-dir',
        str(work / '01_cam/run'),
    ]
    run_pipeline(run)
    [line] = [
        line
        for line in (work / '04_mask_score/output.log').read_text().splitlines()
        if ' $ python ' in line
    ]
    typed = shlex.split(line.partition(' $ ')[2])
    assert typed[2] == str(work / '02_masks/run/mask')


def test_lists_and_configs_among_the_arguments(tmp_path, work):
    stages = STAGES.replace(
        "refine='par'",
        "refine='rw', bkg_thr=[0.25, 0.7], save=["
        "'cam', 'mask'], affinity=['net.py', '{cam.checkpoint}']",
    )
    stages = stages.replace(
        "maps='{masks.cam}', ann_dir='truth'",
        "maps='{masks.cam}', config='net.py', erode=True",
    )
    run = make_run(write_pipeline(tmp_path, stages), work)
    dry_run(run)
    lines = [line for line in run.show if line.startswith('   python ')]
    assert '--refine rw --split train --save cam,mask --bkg-thr 0.25 0.7' in lines[1]
    assert '--affinity net.py {cam.checkpoint}' in lines[1]
    assert lines[2].endswith(f'--config {work / "03_cam_score/net.py"} --erode')


def test_a_labeler_among_the_arguments(tmp_path, work):
    """A dict, as the tool reads it from its command line."""
    rule = "dict(type='TwoThresholdLabeler', low_thr=0.2, high_thr=0.6, refiner=dict("
    rule += "type='PAR', dilations=[1, 2]))"
    stages = STAGES.replace("refine='par'", f'labeler={rule}')
    run = make_run(write_pipeline(tmp_path, stages), work)
    dry_run(run)
    [line] = [line for line in run.show if '--labeler' in line]
    words = shlex.split(line)
    assert words[words.index('--labeler') + 1] == rule
