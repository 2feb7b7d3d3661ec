# Licensed under Apache-2.0.
"""Finished stages are skipped; what a change reaches runs again."""

from __future__ import annotations

import json

import pytest

from mmwsss.pipeline.runner import run_pipeline
from tests.helpers.pipelines import (
    NAMES,
    NET,
    STAGES,
    actions,
    make_run,
    outputs,
    write_pipeline,
)


def test_finished_stages_are_skipped(config, work):
    first = make_run(config, work)
    assert actions(first) == ['runs'] * 6
    before = {p: p.stat().st_mtime_ns for p in work.glob('*/run/**/*')}
    assert actions(make_run(config, work)) == ['skipped'] * 6
    assert before == {p: p.stat().st_mtime_ns for p in work.glob('*/run/**/*')}


def test_a_moved_work_dir_is_still_finished(config, work, tmp_path):
    run_pipeline(make_run(config, work))
    work.rename(tmp_path / 'elsewhere')
    assert actions(make_run(config, tmp_path / 'elsewhere')) == ['skipped'] * 6


def test_a_changed_base_runs_again_with_what_depends_on_it(config, work):
    run_pipeline(make_run(config, work))
    (config.parent / 'net.py').write_text(NET.replace('iters = 12', 'iters = 8'))
    run = make_run(config, work)
    assert actions(run) == ['runs anew'] + ['runs'] * 5
    assert any('config.iters: 12 → 8' in line for line in run.show)
    assert not (work / '01_cam/run/iter_12.pth').exists()  # nothing is mixed
    [aside] = (work / 'aside').glob('01_cam-*')
    assert (aside / 'run/iter_12.pth').exists()
    assert outputs(work) == outputs_of_fresh_run(config, work)


def outputs_of_fresh_run(config, work) -> dict[str, str]:
    fresh = work.with_name('fresh')
    run_pipeline(make_run(config, fresh))
    return outputs(fresh)


def test_a_changed_last_stage_leaves_the_others_alone(config, work):
    run_pipeline(make_run(config, work))
    assert actions(make_run(config, work, segmenter__iters=16)) == ['skipped'] * 4 + [
        'runs anew',
        'runs',
    ]
    assert actions(make_run(config, work, segmenter__iters=16)) == ['skipped'] * 6


def test_a_setting_of_a_stage_counts(config, work):
    run_pipeline(make_run(config, work))
    got = actions(make_run(config, work, masks__refine='crf'))
    assert got == ['skipped', 'runs anew', 'runs', 'runs', 'runs', 'runs']
    command = json.loads((work / '02_masks/record.json').read_text())['command']
    assert command[command.index('--refine') + 1] == 'crf'


def test_workers_are_no_setting(tmp_path, work):
    """Fewer of them finish what was begun with more; nothing is run again."""
    config = write_pipeline(
        tmp_path / 'configs', net=NET + 'train_dataloader = dict(num_workers=2)\n'
    )
    run_pipeline(make_run(config, work, last='masks', masks__workers=4))
    (work / '02_masks/record.json').unlink()  # as if it had been killed at its end
    (work / '01_cam/record.json').unlink()
    fewer = dict(masks__workers=1, cam__train_dataloader__num_workers=0)
    run = make_run(config, work, **fewer)
    run_pipeline(run)
    found = run.show.actions()
    assert (found['cam'], found['masks']) == ('goes on', 'runs')
    assert not (work / 'aside').exists()
    assert actions(make_run(config, work)) == ['skipped'] * 6
    assert actions(make_run(config, work, cam__train_dataloader__batch_size=3))[0] == (
        'runs anew'
    )


def test_what_is_shown_is_no_setting(config, work):
    run_pipeline(make_run(config, work))
    louder = dict(cam__default_hooks__logger__interval=1, all__log_level='DEBUG')
    assert actions(make_run(config, work, **louder)) == ['skipped'] * 6
    hook = dict(cam__default_hooks__checkpoint__interval=1)
    assert actions(make_run(config, work, **hook))[0] == 'runs anew'


def test_seeds_reach_every_config(config, work):
    run_pipeline(make_run(config, work))
    one = outputs(work)
    assert actions(make_run(config, work, seed=1))[0] == 'runs anew'
    assert set(outputs(work).values()).isdisjoint(one.values())
    assert actions(make_run(config, work, seed=1)) == ['skipped'] * 6


@pytest.mark.parametrize(
    'file,first', [('net.txt', 'cam'), ('truth/1.png', 'cam_score')]
)
def test_changed_inputs_run_what_reads_them(tmp_path, work, file, first):
    net = NET + f'weights = {str(tmp_path / "configs/net.txt")!r}\n'
    config = write_pipeline(tmp_path / 'configs', net=net)
    (config.parent / 'net.txt').write_text('a')
    run_pipeline(make_run(config, work))
    (config.parent / file).write_text('b')
    run = make_run(config, work)
    run_pipeline(run)
    again = [name for name, action in run.show.actions().items() if action != 'skipped']
    assert again[0] == first
    assert again == (NAMES if first == 'cam' else ['cam_score', 'mask_score'])


@pytest.mark.parametrize(
    'split,again',
    [
        ('train', NAMES[:-1]),
        ('val', ['cam', 'segmenter']),
        ('test', ['test']),
        ('other', []),
    ],
)
def test_a_changed_list_of_images_runs_what_reads_it(tmp_path, work, split, again):
    """And what depends on that; the stand-ins' weights don't, so the test doesn't."""
    data = tmp_path / 'data'
    (data / 'splits').mkdir(parents=True)
    for name in ('train', 'val', 'test', 'other'):
        (data / f'splits/{name}.txt').write_text('1 cat\n2 dog\n')
    loader = f'_dataloader = dict(dataset=dict(data_root={str(data)!r}, split='
    config = write_pipeline(
        tmp_path / 'configs',
        net=NET.replace('val_dataloader', '_')
        + f"train{loader}'train'))\nval{loader}'val'))\n",
        seg=f"_base_ = ['net.py']\nmask_dir = None\ntest{loader}'test'))\n",
    )
    run_pipeline(make_run(config, work))
    (data / f'splits/{split}.txt').write_text('1 cat\n')
    run = make_run(config, work)
    run_pipeline(run)
    assert [
        line.partition(':')[0] for line in run.show if ': finished, ' in line
    ] == again


def test_a_lost_mask_is_made_again(config, work):
    run_pipeline(make_run(config, work))
    before = outputs(work)
    (work / '02_masks/run/mask/3.png').unlink()
    assert actions(make_run(config, work))[1] == 'goes on'
    assert outputs(work) == before
    journal = (work / '02_masks/run/journal').read_text().splitlines()
    assert len(journal) == 13 and journal[-1] == 'mask 3'


def test_an_inserted_stage_moves_no_folder(config, work, tmp_path):
    run_pipeline(make_run(config, work))
    more = STAGES.replace(
        "    dict(name='cam_score'",
        "    dict(name='again', type="
        "'test', config='seg.py', checkpoint='{cam.checkpoint}'),\n"
        "    dict(name='cam_score'",
    )
    write_pipeline(config.parent, more)
    run = make_run(config, work)
    assert actions(run) == ['skipped', 'skipped', 'runs', *['skipped'] * 4]
