"""Descriptions of pipelines: what is refused before anything runs, and how."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from mmengine.config import Config
from PIL import Image

from mmwsss.pipeline.fingerprint import path_hash
from mmwsss.pipeline.runner import dry_run, run_pipeline, select
from mmwsss.pipeline.stage_inputs import (
    config_files,
    content_hash,
    list_files,
    literal_paths,
)
from mmwsss.pipeline.stage_process import progress
from mmwsss.pipeline.stage_types import STAGE_TYPES
from mmwsss.pipeline.stages import PipelineError, fill, find_needs, read_stages
from tests.helpers.pipelines import (
    NET,
    ROOT,
    SEG,
    STAGES,
    TYPES,
    make_run,
    write_pipeline,
)

CAM = "dict(name='cam', type='train', config='net.py')"


@pytest.fixture
def work(tmp_path):
    return tmp_path / 'work'


def read(tmp_path, *entries: str):
    return read_stages(
        write_pipeline(tmp_path, f'stages = [{", ".join(entries)}]'), TYPES
    )


@pytest.mark.parametrize(
    'entries,message',
    [
        (['3'], r'stages\[0\] is 3'),
        (["dict(type='train')"], r'stages\[0\] has the name None'),
        (["dict(name='a/b', type='train')"], "has the name 'a/b'"),
        (["dict(name='all', type='train', config='net.py')"], "that is not 'all'"),
        (
            ["dict(name='cam', type='trian', config='net.py')"],
            r"type='trian'; use one of \['evaluate', 'generate', 'test', 'train'\]",
        ),
        (
            ["dict(name='cam', type='train', config='net.py', cfg_option={})"],
            r"unknown key 'cfg_option'.*'cfg_options'",
        ),
        (["dict(name='cam', type='train')"], r'needs config=.*got None'),
        (
            ["dict(name='cam', type='train', config='nat.py')"],
            'there is no config nat.py',
        ),
        (
            ["dict(name='cam', type='train', config='net.py', cfg_options=['a=1'])"],
            'write a dict',
        ),
        (
            ["dict(name='cam', type='train', config='net.py', args='--amp')"],
            "args of stage 'cam' is '--amp': write a list",
        ),
        ([CAM, CAM], "two stages have the name 'cam'"),
        (
            [CAM, "dict(name='m', type='generate', config='net.py')"],
            'needs checkpoint=.*got None',
        ),
        (
            [
                CAM,
                "dict(name='m', type='generate', config='net.py', checkpoint='x.pth', "
                "save=('cam', 'masks'))",
            ],
            "save of stage 'm' must be one of .*got 'masks'",
        ),
        (
            [
                "dict(name='t', type='test', config='net.py', checkpoint='{cam.checkpoint}')",  # noqa: E501
                CAM,
            ],
            r"needs \{cam.checkpoint\}, but stage 'cam' comes later",
        ),
        (
            [
                CAM,
                "dict(name='t', type='test', config='net.py', checkpoint='{cm.checkpoint}')",  # noqa: E501
            ],
            r"stage 'cm' does not exist; the stages before it are \['cam'\]",
        ),
        (
            [
                CAM,
                "dict(name='t', type='test', config='net.py', checkpoint='{cam.ckpt}')",
            ],
            r"of type 'train' yields \['best_checkpoint', 'checkpoint'\]",
        ),
        (
            [
                CAM,
                "dict(name='m', type='generate', config='net.py', save=('mask',), "
                "checkpoint='{cam.checkpoint}')",
                "dict(name='e', type='evaluate', maps='{m.cam}', ann_dir='truth')",
            ],
            r"'m' writes only \['mask'\]: add 'cam' to its save",
        ),
    ],
)
def test_refused(tmp_path, entries, message):
    with pytest.raises(PipelineError, match=message):
        read(tmp_path, *entries)


def test_no_stages(tmp_path):
    with pytest.raises(PipelineError, match='has no stages'):
        read_stages(write_pipeline(tmp_path, 'a = 1'))
    with pytest.raises(PipelineError, match='no pipeline config'):
        read_stages(tmp_path / 'none.py')


@pytest.mark.parametrize(
    'options,message',
    [
        (dict(cm__iters=3), r"options cm.iters: begin with the stage.*'cam', 'masks'"),
        (dict(iters=3), 'begin with the stage'),
        (dict(cam_score__iters=3), "stage 'cam_score' has no config"),
        (dict(masks__checkpoint='{seg.checkpoint}'), "'seg' does not exist"),
        (
            dict(all__val_dataloder__dataset__split='test'),
            "no config of the pipeline has 'val_dataloder.dataset'",
        ),
    ],
)
def test_options_of_the_command_line(tmp_path, work, options, message):
    with pytest.raises(PipelineError, match=message):
        make_run(write_pipeline(tmp_path), work, **options)


@pytest.mark.parametrize(
    'options,message',
    [
        (
            dict(masks__bkg_thr='abc'),
            "stage 'masks': bkg_thr and alpha must be .*'abc'",
        ),
        (dict(masks__refine='ccf'), "refine must be one of .*got 'ccf'"),
        (dict(masks__refine='rw'), "refine='rw' needs affinity="),
        (
            dict(masks__refine='none', masks__labeler='Treshold'),
            "no labeler 'Treshold'; registered are .*'ThresholdLabeler'",
        ),
        (
            dict(
                masks__refine='none',
                masks__labeler="dict(type='ThresholdLabeler', bkg_thr=2)",
            ),
            r'bkg_thr of ThresholdLabeler must be in \[0, 1\], got 2',
        ),
        (
            dict(masks__labeler="dict(type='ThresholdLabeler', bkg_thr=0.3)"),
            'labeler says all.*leave one of both out',
        ),
        (dict(masks__refine='seeds', masks__bkg_thr=0.3), 'needs two constants'),
        (dict(masks__preset='irn'), 'preset and unary are settings of the CRF'),
        (dict(masks__refine='crf', masks__bkg_thr=0.3, masks__preset='inr'), "'inr'"),
        (dict(cam_score__thresholds='0-1'), "stage 'cam_score': thresholds must be"),
        (dict(cam_score__crf='irn'), 'give img_dir='),
    ],
)
def test_settings_that_a_tool_would_refuse(tmp_path, work, options, message):
    run = make_run(write_pipeline(tmp_path), work, **options)
    with pytest.raises(PipelineError, match=message):
        dry_run(run)


def test_options_for_all_and_for_one(tmp_path, work):
    run = make_run(
        write_pipeline(tmp_path),
        work,
        all__iters=3,
        segmenter__iters=5,
        seed=7,
        masks__save=['cam', 'mask'],
    )
    configs = {s.name: s.read_config() for s in run.stages if s.config}
    assert {name: cfg.iters for name, cfg in configs.items()} == dict(
        cam=3, masks=3, segmenter=5, test=3
    )
    assert {cfg.randomness.seed for cfg in configs.values()} == {7}
    assert run.stages[1].values['save'] == ['cam', 'mask']


def test_all_passes_over_configs_without_the_place(tmp_path, work):
    """As a training that is never validated, among others that are."""
    config = write_pipeline(tmp_path, seg=SEG + 'val_dataloader = None\n')
    run = make_run(config, work, all__val_dataloader__dataset__split='few')
    configs = {s.name: s.read_config() for s in run.stages if s.config}
    assert configs['cam'].val_dataloader.dataset.split == 'few'
    assert configs['segmenter'].val_dataloader is None


def test_settings_that_no_config_has_are_shown(tmp_path, work):
    run = make_run(
        write_pipeline(tmp_path),
        work,
        cam__epochs=3,
        cam__iters=3,
        all__val_dataloader__dataset__indices=3,
    )
    dry_run(run)
    assert run.show[-2:] == [
        'new in the config of cam, masks, segmenter, test: '
        'val_dataloader.dataset.indices',
        'new in the config of cam: epochs',
    ]


@pytest.mark.parametrize(
    'stage,key,meant',
    [
        ('cam', 'iter', 'iters'),
        ('masks', 'refin', 'refine'),
        ('segmenter', 'val_dataloader.dataset.splits', 'val_dataloader.dataset.split'),
    ],
)
def test_settings_that_are_misspelt(tmp_path, work, stage, key, meant):
    """Of the config, and of the stage itself."""
    given = {f'{stage}.{key}'.replace('.', '__'): 3}
    run = make_run(write_pipeline(tmp_path), work, **given)
    with pytest.raises(
        PipelineError,
        match=(f"stage '{stage}' has no setting {key}: did you mean {meant}\\?"),
    ):
        run_pipeline(run)
    assert not list(work.glob('0*'))


@pytest.mark.parametrize(
    'chosen,message',
    [
        (dict(first='x'), r"--from x: the stages are \['cam', 'masks'"),
        (dict(last='x'), '--to x'),
        (dict(only='x'), '--only x'),
        (dict(only='cam', first='cam'), 'leave out --from and --to'),
        (dict(first='test', last='cam'), '--from test comes after --to cam'),
    ],
)
def test_select(tmp_path, chosen, message):
    stages = read_stages(write_pipeline(tmp_path), TYPES)
    with pytest.raises(PipelineError, match=message):
        select(stages, **chosen)
    assert select(stages, 'masks', 'cam_score') == ('masks', 'cam_score')


def test_missing_files_are_named_before_the_first_stage(tmp_path, work):
    net = NET + (
        "train_dataloader = dict(dataset=dict(data_root='nowhere/data'))\n"
        "model = dict(backbone=dict(pretrained='nowhere/vit.pth'))\n"
    )
    stages = STAGES.replace("ann_dir='truth'", "ann_dir='nowhere/masks'")
    with pytest.raises(PipelineError) as error:
        run_pipeline(make_run(write_pipeline(tmp_path, stages, net), work))
    for part in (
        "stage 'cam': there is no data_root nowhere/data (train_dataloader",
        "stage 'cam': there is no file nowhere/vit.pth (model.backbone.pretr",
        "stage 'segmenter': there is no file nowhere/vit.pth",
        "stage 'cam_score': there is no ann_dir nowhere/masks",
    ):
        assert part in str(error.value)
    assert not list(work.glob('0*'))


@pytest.mark.filterwarnings('ignore:old arguments of a data set:FutureWarning')
@pytest.mark.parametrize(
    'lacking,key',
    [
        ('JPEGImages', 'side_inputs.mask.dir'),
        ('Saliency', 'side_inputs.mask.dir'),
        ('SegmentationClass', 'mask_dir'),  # as pipelines named it before
    ],
)
def test_missing_files_of_a_data_set(tmp_path, work, lacking, key):
    """The last stage reads it; masks that are still to come aren't asked for."""
    data = tmp_path / 'data'
    for folder, suffix in (
        ('JPEGImages', 'jpg'),
        ('Saliency', 'png'),
        ('SegmentationClass', 'png'),
    ):
        (data / folder).mkdir(parents=True)
        Image.new('RGB' if suffix == 'jpg' else 'L', (8, 6)).save(
            data / folder / f'1.{suffix}'
        )
    (data / 'splits').mkdir()
    for split in ('train', 'val'):
        (data / f'splits/{split}.txt').write_text('1 cat\n')
    (data / 'classes.txt').write_text('cat\n')
    shared = f"type='ShapesDataset', data_root={str(data)!r}"
    seg = (
        f"_base_ = ['net.py']\nmask_dir = None\n"
        f'train_dataloader = dict(dataset=dict({shared}, side_inputs=dict('
        "saliency=dict(dir='Saliency', kind='grey'), "
        "mask=dict(dir='soon', root='.', kind='ids'))))\n"
        f'val_dataloader = dict(dataset=dict({shared}, test_mode=True, '
        "pipeline=[dict(type='Unknown')]))\n"
    )
    stages = STAGES.replace(
        "dict(mask_dir='{masks.mask}')",
        f"{{'train_dataloader.dataset.{key}': '{{masks.mask}}'}}",
    )
    config = write_pipeline(tmp_path / 'configs', stages, seg=seg)
    dry_run(make_run(config, work))
    strange = dict(segmenter__train_dataloader__dataset__strange=1)
    with pytest.raises(PipelineError, match="train_dataloader: .*'strange'"):
        dry_run(make_run(config, work, **strange))
    shutil.rmtree(data / lacking)
    wanted = rf"'segmenter', \w+_dataloader: .*{lacking}"
    with pytest.raises(PipelineError, match=wanted):
        run_pipeline(make_run(config, work))
    assert not list(work.glob('0*'))


def test_weights_that_are_not_read_may_be_missing(tmp_path, work):
    """Self-training starts from a checkpoint, not from its base's ImageNet weights."""
    (tmp_path / 'base.pth').touch()
    network = "dict(segmentor=dict(backbone=dict(pretrained='nowhere/vit.pth')){})\n"
    checkpoint = f', checkpoint={str(tmp_path / "base.pth")!r}'
    dry_run(
        make_run(
            write_pipeline(tmp_path, net=f'{NET}model = {network.format(checkpoint)}'),
            work,
        )
    )
    for other in ('', ", checkpoint='nowhere/base.pth'"):
        with pytest.raises(PipelineError, match=r'there is no file nowhere/\w+\.pth'):
            dry_run(
                make_run(
                    write_pipeline(
                        tmp_path, net=f'{NET}model = {network.format(other)}'
                    ),
                    work,
                )
            )


def test_a_training_cut_short_needs_a_shorter_warm_up(tmp_path, work):
    """Said at once, not when the last stage begins."""
    net = NET + (
        'train_cfg = dict(max_iters=100)\n'
        "param_scheduler = [dict(type='PolyWarmupLR', warmup_iters=50)]\n"
    )
    config = write_pipeline(tmp_path, net=net)
    dry_run(make_run(config, work))
    options = dict(segmenter__train_cfg__max_iters=50)
    with pytest.raises(
        PipelineError,
        match=(
            r"^stage 'segmenter': param_scheduler\.0\.warmup_iters=50 of 50 iterations"
            r'.*all\.param_scheduler\.0\.warmup_iters=N'
        ),
    ):
        dry_run(make_run(config, work, **options))
    dry_run(make_run(config, work, **options, all__param_scheduler__0__warmup_iters=5))
    settled = dict(all__param_scheduler__0__total_iters=200)  # longer than the run
    dry_run(make_run(config, work, **options, **settled))


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


def test_a_list_beside_the_working_folder_counts(tmp_path, work, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('names.txt', 'train'):
        (tmp_path / name).write_text('1')
    stages = STAGES.replace("ann_dir='truth'", "ann_dir='truth', list='names.txt'")
    scores = make_run(write_pipeline(tmp_path, stages), work).stages[2]
    assert literal_paths(scores) == [str(tmp_path / 'truth'), 'names.txt']
    masks = make_run(write_pipeline(tmp_path), work).stages[1]
    assert literal_paths(masks) == []  # split='train' is no path


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


def test_a_config_among_the_arguments_counts_with_its_bases(tmp_path):
    base = tmp_path / 'base.py'
    base.write_text('a = 1')
    (tmp_path / 'net.py').write_text("_base_ = ['base.py']")
    first = content_hash(str(tmp_path / 'net.py'))
    base.write_text('a = 2')
    assert content_hash(str(tmp_path / 'net.py')) != first


def test_the_chosen_checkpoint_is_announced(tmp_path, work):
    stages = STAGES.replace("'{segmenter.checkpoint}'", "'{segmenter.best_checkpoint}'")
    run = make_run(write_pipeline(tmp_path, stages), work)
    with pytest.raises(RuntimeError, match="left no 'best_checkpoint'"):
        run_pipeline(run)  # the stand-in selects nothing
    (work / '05_segmenter/run/best_seg_mIoU_iter_4.pth').write_text('[4, "x"]')
    run_pipeline(make_run(write_pipeline(tmp_path, stages), work))
    run = make_run(write_pipeline(tmp_path, stages), work, test__tta=True)
    run_pipeline(run)
    assert any(
        'CHOSEN BY ITS SCORE' in line and 'pixel labels' in line for line in run.show
    )
    best = work / '05_segmenter/run/best_seg_mIoU_iter_4.pth'
    best.rename(best.with_name('best_sim_mAP_iter_4.pth'))  # needs no pixel label
    run = make_run(write_pipeline(tmp_path, stages), work)
    run_pipeline(run)
    assert any('(sim_mAP_iter_4), which uses image labels' in line for line in run.show)


def test_a_new_type_is_one_entry(tmp_path, work):
    script = tmp_path / 'count.py'
    script.write_text(
        'import sys, pathlib\n'
        'folder, _, out, _, step = sys.argv[1:]\n'
        'n = len(list(pathlib.Path(folder).iterdir()))\n'
        'pathlib.Path(out).write_text(f"{n} {step}")\n'
    )
    count = replace(
        STAGE_TYPES['evaluate'],
        tool=str(script),
        takes=('folder',),
        flags=('step',),
        out_file='count.txt',
        yields={},
    )
    stages = STAGES.replace(
        "    dict(name='cam_score'",
        "    dict(name='count', type="
        "'count', folder='{masks.mask}', step=2),\n    dict(name="
        "'cam_score'",
    )
    run_pipeline(
        make_run(
            write_pipeline(tmp_path, stages),
            work,
            last='count',
            types=TYPES | dict(count=count),
        )
    )
    assert (work / '03_count/run/count.txt').read_text() == '6 2'


def test_placeholders():
    value = dict(a=['{x.cam}/p', ('{y-2.mask}',)], b=3, c='{no}')
    assert list(find_needs(value)) == [('x', 'cam'), ('y-2', 'mask')]
    assert fill(value, {'x.cam': '/c'}) == dict(
        a=['/c/p', ('{y-2.mask}',)], b=3, c='{no}'
    )


def test_hash_of_a_folder(tmp_path):
    folder = tmp_path / 'masks'
    (folder / 'below').mkdir(parents=True)
    for name in ('a.png', 'below/b.png'):
        (folder / name).write_text('1')
    first = path_hash(folder)
    (folder / '.c.png').write_text('half')
    (folder / 'd.png.tmp').write_text('half')
    assert path_hash(folder) == first
    (folder / 'below/b.png').write_text('22')
    second = path_hash(folder)
    (folder / 'manifest.json').write_text('{}')
    assert len({first, second, path_hash(folder), path_hash(tmp_path / 'no')}) == 4
    assert path_hash(tmp_path / 'no') is None


def test_files_that_a_config_names(tmp_path):
    (tmp_path / 'data/JPEGImages').mkdir(parents=True)
    for name in ('data/classes.txt', 'data/b.jpg', 'data/JPEGImages/a.jpg', 'w.pth'):
        (tmp_path / name).write_text('1')
    cfg = dict(
        model=dict(pretrained=str(tmp_path / 'w.pth')),
        type='ViT',
        data=[dict(data_root=str(tmp_path / 'data'))],
    )
    assert list(config_files(cfg)) == [
        str(tmp_path / 'data/classes.txt'),
        str(tmp_path / 'w.pth'),
    ]


def test_lists_that_data_sets_read(tmp_path):
    names = ('splits/train.txt', 'splits/val.txt', 'splits/few.txt', 'mine.csv', 'l/x')
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    cfg = {
        f'{split}_dataloader': dict(dataset=dict(data_root=str(tmp_path), **more))
        for split, more in dict(
            train=dict(),
            val=dict(split='val'),
            test=dict(ann_file='mine.csv', split_file=str(tmp_path / 'l/x')),
        ).items()
    }

    def read(*args):
        return {
            str(Path(path).relative_to(tmp_path)) for path in list_files(cfg, *args)
        }

    assert read(('train', 'val')) == {'splits/train.txt', 'splits/val.txt'}
    assert read(('test',)) == {'mine.csv', 'l/x'}
    assert read((), None) == read((), 'train') == {'splits/train.txt'}
    assert read((), 'val') == {'splits/val.txt'}
    assert read((), 'few') == {'splits/few.txt'}
    assert list_files({}, ('test',)) == {}


def test_what_is_shown_of_a_tool():
    shown = []
    echo = progress(shown.append, 'cam')
    for line in (
        'Could not import X',
        '11/21 13:05:06 - mmengine - INFO -',
        'mm - INFO - Iter(train) [ 3/12]  loss: 1',
        '[>>>   ] 20/24, ETA: 1s',
        "11/21 13:05:06 - mmengine - INFO - cam_filter='gt': masked by the "
        'GROUND-TRUTH image labels',
        'KeyError: 3',
        'error: no such file',
    ):
        echo(line)
    assert shown == [
        'cam | Iter(train) [ 3/12]  loss: 1',
        "cam | cam_filter='gt': masked by the GROUND-TRUTH image labels",
        'cam | KeyError: 3',
        'cam | error: no such file',
    ]
    shown.clear()
    progress(shown.append, 'masks')('[>>>   ] 20/24, elapsed: 2s')  # long nothing
    assert shown == ['masks | 20/24, elapsed: 2s']


# ------------------------------------------------------------- what comes with mmwsss
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
