"""Pipelines of stand-in tools: what runs, what is skipped, what is put aside."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mmwsss.pipeline.lock import BusyError, folder_lock, writers
from mmwsss.pipeline.runner import run_pipeline
from mmwsss.pipeline.stage_process import ToolError
from mmwsss.pipeline.stages import PipelineError
from mmwsss.pipeline.summary import summarise
from tests.helpers.pipelines import (
    NET,
    STAGES,
    Lines,
    fork_run,
    kill_group,
    make_run,
    outputs,
    write_pipeline,
)

NAMES = ['cam', 'masks', 'cam_score', 'mask_score', 'segmenter', 'test']


@pytest.fixture
def config(tmp_path) -> Path:
    return write_pipeline(tmp_path / 'configs')


@pytest.fixture
def work(tmp_path) -> Path:
    return tmp_path / 'work'


def actions(run) -> list[str]:
    run_pipeline(run)
    return list(run.show.actions().values())


def test_a_whole_run_and_its_table(config, work):
    table = run_pipeline(make_run(config, work))
    assert (work / 'summary.md').read_text() == table + '\n'
    rows = json.loads((work / 'summary.json').read_text())
    assert [row['stage'] for row in rows] == NAMES
    shown = {row['stage']: row for row in rows}
    cam = json.loads((work / '03_cam_score/run/metrics.json').read_text())['mIoU']
    seg = json.loads((work / '06_test/run/metrics.json').read_text())['seg_mIoU']
    assert shown['cam_score']['scores'] == {
        'CAM mIoU': round(cam, 4),
        'pseudo-mask mIoU': None,
        'segmenter mIoU': None,
    }
    assert shown['cam_score']['scored_on'] == 'train'
    assert shown['mask_score']['scores']['pseudo-mask mIoU'] is not None
    assert shown['test']['scores']['segmenter mIoU'] == round(seg, 4)
    assert shown['test']['scored_on'] == 'test'
    assert f'| cam_score | train | {cam:.2f} | – | – |' in table
    assert all(row['hours'] > 0 for row in rows)
    # what a stage was given lies beside it, whole
    resolved: dict = {}
    exec((work / '05_segmenter/seg.py').read_text(), resolved)
    assert resolved['mask_dir'] == str(work / '02_masks/run/mask')
    assert resolved['iters'] == 12
    record = json.loads((work / '01_cam/record.json').read_text())
    assert record['yields']['checkpoint']['path'] == 'run/iter_12.pth'


def test_the_table_tells_threshold_and_eroded_score(config, work):
    """CAMs of SemFormer and IRNet are published eroded."""
    run = make_run(config, work)
    run_pipeline(run)
    record = work / '03_cam_score/record.json'
    content = json.loads(record.read_text())
    content['metrics'] |= dict(mIoU=55.0, threshold=0.21, eroded_mIoU=63.7)
    record.write_text(json.dumps(content))
    assert (
        '| cam_score | train, best threshold 0.21; eroded 63.70 | 55.00 |'
        in summarise(run.stages, work)
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


def test_an_output_that_nobody_had_asked_for(config, work):
    run_pipeline(make_run(config, work, last='cam'))
    write_pipeline(
        config.parent, STAGES.replace('{cam.checkpoint}', '{cam.best_checkpoint}')
    )
    with pytest.raises(
        PipelineError,
        match=(
            r"'masks' needs \{cam.best_checkpoint\}, but 'cam' has finished without"
        ),
    ):
        run_pipeline(make_run(config, work))


def test_what_is_given_must_be_there(config, work):
    """Said before what depends on it is put aside."""
    run_pipeline(make_run(config, work))
    (work / '01_cam/run/iter_12.pth').unlink()
    with pytest.raises(PipelineError, match=r"'cam' has not finished.*or it is gone"):
        run_pipeline(make_run(config, work, only='masks'))
    assert (work / '02_masks/record.json').exists() and not (work / 'aside').exists()


@pytest.mark.parametrize('file', ['record.json', 'begun.json'])
def test_notes_that_were_cut_off_are_named(config, work, file):
    run_pipeline(make_run(config, work, last='cam'))
    note = work / '01_cam' / file
    note.write_text(note.read_text()[:-9])
    with pytest.raises(PipelineError, match=rf'01_cam/{file} is no valid JSON.*delete'):
        run_pipeline(make_run(config, work))
    note.unlink()
    run_pipeline(make_run(config, work, last='cam'))
    assert (work / '01_cam/run/iter_12.pth').exists()


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


def test_from_to_only(config, work):
    run_pipeline(make_run(config, work, last='masks'))
    assert sorted(p.name for p in work.glob('0*')) == ['01_cam', '02_masks']
    run_pipeline(make_run(config, work, only='mask_score'))
    assert (work / '04_mask_score/record.json').exists()
    assert not (work / '03_cam_score').exists()
    with pytest.raises(PipelineError, match=r'segmenter.*begin with --from segmenter'):
        run_pipeline(make_run(config, work, first='test'))
    run_pipeline(make_run(config, work, first='segmenter'))
    assert (work / '06_test/record.json').exists()


def test_a_stage_left_out_is_taken_as_it_is_and_said_so(config, work):
    run_pipeline(make_run(config, work))
    run = make_run(config, work, only='masks', cam__iters=99)
    run_pipeline(run)
    assert any('ALTHOUGH' in line and '12 → 99' in line for line in run.show)
    assert (work / '01_cam/run/iter_12.pth').exists()


def test_a_failing_stage_names_its_log_and_goes_on_when_mended(config, work):
    with pytest.raises(ToolError, match='told to fail: bad.*|05_segmenter') as error:
        run_pipeline(make_run(config, work, segmenter__fail='bad'))
    assert str(work / '05_segmenter/output.log') in str(error.value)
    assert 'RuntimeError: told to fail: bad' in str(error.value)
    assert 'mask_score' in (work / 'summary.md').read_text()
    assert actions(make_run(config, work)) == ['skipped'] * 4 + ['runs anew', 'runs']


def test_a_stage_that_leaves_nothing_fails(config, work):
    with pytest.raises(ToolError, match="left no 'checkpoint'.*'masks' needs"):
        run_pipeline(make_run(config, work, cam__iters=0))


def test_a_training_goes_on_with_as_many_processes(config, work):
    run = make_run(config, work, last='cam', cam__pause=0.05)
    process = fork_run(run)
    wait_for(lambda: (work / '01_cam/run/last_checkpoint').exists())
    kill_group(process)
    with pytest.raises(PipelineError, match='begun on 1 processes.*--gpus 1'):
        run_pipeline(make_run(config, work, processes=2, cam__pause=0.05))
    run_pipeline(replace(run, show=Lines()))


def wait_for(condition, seconds: float = 30) -> None:
    deadline = time.time() + seconds
    while not condition():
        assert time.time() < deadline, 'it did not happen'
        time.sleep(0.01)


# ------------------------------------------------------------------- stopped runs
def test_a_work_dir_that_cannot_be_written(config, work):
    work.write_text('a file')
    with pytest.raises(OSError, match='work .*give another --work-dir'):
        run_pipeline(make_run(config, work))


def test_a_broken_record_is_named(config, work):
    run_pipeline(make_run(config, work, only='cam'))
    (work / '01_cam/record.json').write_text('{"name": ')
    with pytest.raises(PipelineError, match='01_cam/record.json is no valid JSON.*del'):
        run_pipeline(make_run(config, work))


def test_two_runs_in_one_folder(config, work):
    process = fork_run(make_run(config, work, cam__pause=0.2))
    wait_for(lambda: (work / '01_cam/run/journal').exists())
    with pytest.raises(BusyError, match=f'process {process} '):
        run_pipeline(make_run(config, work))
    kill_group(process)


def test_a_stale_lock_is_noticed(config, work, monkeypatch):
    said = Lines()
    monkeypatch.setattr('mmwsss.pipeline.lock.print_log', said)
    work.mkdir()
    (work / 'lock').write_text('process 1 on a machine that is no more')
    with folder_lock(work, '--work-dir'):
        assert str(os.getpid()) in (work / 'lock').read_text()
    assert 'ended without a word (process 1 on' in said[0]
    assert not (work / 'lock').exists()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_run_ends_the_tool(config, work, number):
    process = fork_run(make_run(config, work, cam__pause=1))
    log = work / '01_cam/output.log'
    wait_for(lambda: (work / '01_cam/run/journal').exists())
    [tool] = writers(log)
    os.kill(process, number)  # the run alone, not its group
    assert os.waitpid(process, 0)[1] != 0
    assert is_dead(tool) and writers(log) == []
    assert not (work / 'lock').exists()


def is_dead(process: int) -> bool:
    stat = Path(f'/proc/{process}/stat')
    return not stat.exists() or ') Z ' in stat.read_text()


def test_what_a_killed_run_leaves_alive_is_ended(tmp_path, work):
    """torchrun's workers have sessions of their own: a kill doesn't reach them."""
    config = write_pipeline(
        tmp_path / 'configs',
        STAGES.replace(
            "config='net.py'),", "config='net.py', args=['--wait', '60']),", 1
        ),
    )
    process = fork_run(make_run(config, work))
    log = work / '01_cam/output.log'
    wait_for(lambda: log.exists() and 'pid ' in log.read_text())
    worker = int(log.read_text().split('pid ')[1].split()[0])
    kill_group(process)
    assert writers(log) == [worker]
    write_pipeline(tmp_path / 'configs')  # other arguments: the folder is put aside
    run = make_run(config, work)
    run_pipeline(run)
    assert 'cam: ended 1 processes that a killed run left' in run.show
    assert is_dead(worker) and run.show.actions()['cam'] == 'runs anew'


def lines_of_work(work: Path) -> int:
    return sum(len(p.read_text().splitlines()) for p in work.glob('0*/run/journal'))


def wait_until_done(
    process: int, work: Path, progress: int, delay: float
) -> int | None:
    """Wait for some more work and a moment; the exit status if the run ended first.

    Counted in work and not in seconds, so that a busy machine gets on as well.
    """
    wanted, deadline = lines_of_work(work) + progress, None
    while deadline is None or time.time() < deadline:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return status
        if deadline is None and lines_of_work(work) >= wanted:
            deadline = time.time() + delay
        time.sleep(0.002)
    return None


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_killed_at_random_moments(config, work, seed):
    """The end is that of a run that was never killed, and little is done twice."""
    chance = random.Random(seed)
    options = dict(all__pause=0.01)
    wanted = work.with_name('whole')
    run_pipeline(make_run(config, wanted, **options))
    kills, status = 0, None
    while status is None:
        process = fork_run(make_run(config, work, **options))
        status = wait_until_done(
            process,
            work,
            progress=chance.choice([0, 0, 3, 6, 9, 12]),
            delay=chance.choice([0.0, chance.uniform(0, 0.3)]),
        )
        if status is None:
            kill_group(process)
            kills += 1
        assert kills < 60
    assert status == 0
    assert kills > 2
    assert outputs(work) == outputs(wanted)
    assert not (work / 'aside').exists()
    # each kill loses at most an interval of 4 iterations, or one image
    for stage, most in (
        ('01_cam', 12 + 4 * kills),
        ('05_segmenter', 12 + 4 * kills),
        ('02_masks', 12 + kills),
    ):
        lines = (work / stage / 'run/journal').read_text().splitlines()
        assert 12 <= len(lines) <= most
    assert list(make_run(config, work, **options).selected) == NAMES
    assert actions(make_run(config, work, **options)) == ['skipped'] * 6
