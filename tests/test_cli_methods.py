# Licensed under Apache-2.0.
"""The methods through the command line: train, resume, two processes, test.

On a few Shapes pictures drawn for the purpose, and on a few real photos where the
folder ``$MMWSSS_TINY_COCO`` (default ``../shared/data/tiny_coco``) is there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from mmwsss.testing import (
    assert_gradient_is_mean_of_processes,
    assert_resume_is_exact,
    assert_two_processes_agree,
    earlier_stages,
    train,
)
from mmwsss.testing import run_tool as run
from mmwsss.testing.short_schedules import short_schedules
from tests.helpers import ROOT

TOCO = 'configs/toco/toco_vit-t_shapes.py'
AFA = 'configs/afa/afa_mit-t_shapes.py'
FSR = 'configs/fsr/fsr_vit-t_shapes.py'
CAM = 'configs/cam/cam_vit-t_shapes.py'
SMAF = 'configs/smaf/smaf_toco_vit-t_shapes.py'
UPPER = 'configs/toco/sup_vit-t_shapes.py'
COCO = 'configs/toco/toco_vit-t_coco-tiny.py'
CAAE = 'configs/semformer/caae_deit-t_shapes.py'
SEMFORMER = 'configs/semformer/semformer_deit-t_shapes.py'
#: all terms from iteration 2 on, in runs of six iterations
SHORT = """
_base_ = [{base!r}]
data_root = {data!r}
train_dataloader = dict(batch_size=2, dataset=dict(data_root=data_root))
val_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False,
                      dataset=dict(data_root=data_root, {limit}))
test_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False,
                       dataset=dict(data_root=data_root, {limit}))
train_cfg = dict(max_iters=6, val_interval=6)
param_scheduler = [dict(type='PolyWarmupLR', warmup_iters=2, warmup_ratio=1e-6,
                        power=0.9, by_epoch=False)]
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=3))
"""
#: precomputed maps for self-training
FUSED = """
_base_ = [{base!r}]
model = dict(self_training=dict(source='fused', scales=None))
train_dataloader = dict(dataset=dict(
  side_inputs=dict(fused=dict(dir={maps!r}, kind='maps')), pipeline=[
    dict(type='LoadRGBImage'), dict(type='LoadSideInputs'),
    dict(type='PILResizeLongSide', side_range=(80, 112)),
    dict(type='PILRandomFlip'), dict(type='PILPadCrop', crop_size=96),
    dict(type='PackWeakInputs')]))
"""


def short_config(config: str | Path, data: Path, folder: Path, limit: str = '') -> Path:
    """A config for a few iterations on the pictures of ``data``.

    What a method switches on in the course of its training, it switches on within
    them; earlier stages are there, untrained. A method that has more to say changes
    ``model`` in ``tests/methods/<folder of its configs>/short_run.py``.

    Args:
        config: a config that trains on Shapes or on COCO.
        data: the data set's folder.
        folder: where the new config and the checkpoints of earlier stages go.
        limit: further settings of the data sets of validation and test.
    """
    init_default_scope('mmwsss')
    base = Config.fromfile(ROOT / config)
    model = Config(dict(model=earlier_stages(base.model, folder)))
    if base.model.get('train_cfg'):
        schedules = short_schedules(base.model.train_cfg.to_dict())
        model.merge_from_dict(dict(model=dict(train_cfg=schedules)))
    own = ROOT / 'tests' / 'methods' / Path(config).parent.name / 'short_run.py'
    if own.is_file():
        model.merge_from_dict(Config.fromfile(own).to_dict())
    text = SHORT.format(base=str(ROOT / config), data=str(data), limit=limit)
    path = folder / f'{Path(config).stem}.py'
    path.write_text(f'{text}model = {model.model.to_dict()!r}\n')
    return path


def configs_of_methods() -> list[Path]:
    """``configs/<method>/*_shapes.py``, in the order of the metafiles.

    One for each kind of network, of those that train from image labels alone.
    """
    found: dict[str, Path] = {}
    for metafile in sorted((ROOT / 'configs').glob('*/metafile.yml')):
        for entry in yaml.safe_load(metafile.read_text())['Models']:
            if not entry['Config'].endswith('_shapes.py'):
                continue
            cfg = Config.fromfile(ROOT / entry['Config'])
            steps = cfg.train_dataloader.dataset.pipeline
            if 'LoadMask' not in [step.type for step in steps]:
                found.setdefault(cfg.model.type, Path(entry['Config']))
    return list(found.values())


@pytest.fixture(scope='session')
def shapes(tmp_path_factory) -> Path:
    """A small Shapes data set."""
    folder = tmp_path_factory.mktemp('shapes')
    run(
        'tools/dataset_converters/shapes.py',
        '--out',
        folder,
        '--train',
        '24',
        '--val',
        '6',
        '--test',
        '6',
        '--jobs',
        '1',
    )
    return folder


@pytest.fixture(scope='session')
def weak(shapes, tmp_path_factory) -> Path:
    """The same without the masks of the training images: no method may need them."""
    folder = tmp_path_factory.mktemp('weak')
    for entry in shapes.iterdir():
        if entry.name != 'SegmentationClass':
            (folder / entry.name).symlink_to(entry)
    (folder / 'SegmentationClass').mkdir()
    for mask in (shapes / 'SegmentationClass').iterdir():
        if not mask.stem.startswith('train'):
            (folder / 'SegmentationClass' / mask.name).symlink_to(mask)
    assert len(list((folder / 'SegmentationClass').iterdir())) == 12
    return folder


@pytest.fixture(scope='session')
def toco(weak, tmp_path_factory) -> Path:
    """The short ToCo config."""
    return short_config(TOCO, weak, tmp_path_factory.mktemp('toco'))


@pytest.fixture(
    scope='session',
    params=configs_of_methods(),
    ids=lambda path: path.stem.partition('_')[0],
)
def method(request, weak, tmp_path_factory) -> Path:
    """The short config of each method."""
    return short_config(request.param, weak, tmp_path_factory.mktemp('method'))


@pytest.fixture(scope='session')
def trained(toco) -> tuple[Path, str]:
    """The work directory of a short ToCo run and its log."""
    work_dir = toco.parent / 'run'
    done = train(toco, work_dir)
    return work_dir, done.stdout + done.stderr


def losses(log: str) -> list[dict[str, float]]:
    """The terms of each logged training iteration."""
    lines = [line for line in log.splitlines() if 'Iter(train)' in line]
    return [
        {k: float(v) for k, v in re.findall(r'(loss\w*): (\S+)', line)}
        for line in lines
    ]


def scores(log: str) -> dict[str, float]:
    """The metrics of the last evaluation."""
    line = [x for x in log.splitlines() if re.search(r'Iter\((val|test)\) *\[', x)][-1]
    return {k: float(v) for k, v in re.findall(r'(\w+_\w+): (\S+)', line)}


def test_training(trained) -> None:
    work_dir, log = trained
    steps = losses(log)
    assert len(steps) == 6
    warm_up = {'loss', *(f'loss_{t}' for t in ('cls', 'cls_aux', 'ptc', 'ctc'))}
    assert [set(s) - warm_up for s in steps] == [set()] * 2 + [
        {'loss_seg', 'loss_reg'}
    ] * 4
    assert np.isfinite([v for s in steps for v in s.values()]).all()
    for s in steps[:2]:  # later ones are means over windows of unlike lengths
        assert s['loss'] == pytest.approx(
            sum(v for k, v in s.items() if k != 'loss'), abs=2e-3
        )
    got = scores(log)
    for name in ('seg_mIoU', 'cam_mIoU', 'aux_cam_mIoU', 'pseudo_mIoU', 'cls_mAP'):
        assert 0 <= got[name] <= 100
    assert 'GROUND-TRUTH image labels' in log  # the config says cam_filter='gt'


def test_checkpoint_is_plain_and_whole(trained) -> None:
    checkpoint = torch.load(trained[0] / 'iter_6.pth', weights_only=True)
    state = checkpoint['state_dict']
    teacher = {k: v for k, v in state.items() if k.startswith('proj_head_ema.')}
    assert teacher
    student = state['proj_head.mlp.0.weight']
    assert not torch.equal(state['proj_head_ema.module.mlp.0.weight'], student)


def test_testing(trained, toco, tmp_path) -> None:
    work_dir, trained_log = trained
    show, out = tmp_path / 'show', tmp_path / 'out'
    checkpoint = work_dir / 'iter_6.pth'
    log = run(
        'tools/test.py',
        toco,
        checkpoint,
        '--work-dir',
        tmp_path / 'test',
        '--show-dir',
        show,
        '--out',
        out,
        '--tta',
    )
    assert 0 <= scores(log)['seg_mIoU'] <= 100
    names = {p.stem for p in out.iterdir()}
    assert len(names) == 6 and {p.stem for p in show.iterdir()} == names
    for path in out.iterdir():
        with Image.open(path) as mask:
            assert mask.mode == 'P' and mask.size == (96, 96)
            assert np.asarray(mask).max() < 7


def test_post_processor(trained, toco, tmp_path) -> None:
    """Refined masks differ; everything else is scored as before."""
    out, checkpoint = tmp_path / 'out', tmp_path / 'mixed.pth'
    saved = torch.load(trained[0] / 'iter_6.pth', weights_only=True)
    for key, weight in saved['state_dict'].items():
        if key.startswith('decode_head.conv'):  # six iterations predict one class only
            torch.nn.init.normal_(weight, std=0.1)
    torch.save(saved, checkpoint)
    command = ['tools/test.py', toco, checkpoint, '--work-dir', tmp_path / 'test']
    plain = scores(run(*command, '--out', out / 'plain'))
    refined = scores(run(*command, '--out', out / 'crf', '--post-processor', 'crf:psa'))
    pairs = [
        [np.asarray(Image.open(out / kind / p.name)) for kind in ('plain', 'crf')]
        for p in (out / 'plain').iterdir()
    ]
    assert len(pairs) == 6 and any((a != b).any() for a, b in pairs)
    assert refined['cam_mIoU'] == plain['cam_mIoU']


@pytest.mark.slow
@pytest.mark.parametrize('config', [AFA, FSR, CAM, SMAF, UPPER])
def test_other_configs_train_and_test(config, shapes, tmp_path) -> None:
    short = short_config(config, shapes, tmp_path)
    done = train(short, tmp_path / 'run')
    steps = losses(done.stdout + done.stderr)
    assert len(steps) == 6 and all(np.isfinite(list(s.values())).all() for s in steps)
    tta = ['--tta'] if config != UPPER else []
    log = run(
        'tools/test.py',
        short,
        tmp_path / 'run' / 'iter_6.pth',
        '--work-dir',
        tmp_path / 'test',
        '--out',
        tmp_path / 'out',
        *tta,
    )
    assert 0 <= scores(log)['seg_mIoU'] <= 100
    assert len(list((tmp_path / 'out').iterdir())) == 6


def test_semformer_stage_by_stage(weak, shapes, tmp_path) -> None:
    """The auto-encoder's checkpoint trains the segmentor; neither needs masks."""
    stages = []
    for config in (CAAE, SEMFORMER):
        (tmp_path / Path(config).stem).mkdir()
        short, run_dir = (
            short_config(config, weak, tmp_path / Path(config).stem),
            tmp_path / 'run' / config,
        )
        options = {
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
        }
        if stages:
            options['model.caae.checkpoint'] = stages[0][0] / 'iter_6.pth'
        done = train(short, run_dir, options=options)
        stages.append((run_dir, done.stdout + done.stderr))
    for (_, log), terms in zip(
        stages, (('sim', 'recon'), ('cf', 'cb', 'sup', 'comp', 'ss'))
    ):
        steps = losses(log)
        assert len(steps) == 6 and set(steps[0]) == {
            'loss',
            *(f'loss_{t}' for t in terms),
        }
        assert np.isfinite([v for s in steps for v in s.values()]).all()
    assert {'cls_mAP', 'sim_mAP', 'sim_thr'} <= set(scores(stages[0][1]))
    assert 'cam_oracle_mIoU' in scores(stages[1][1])
    state = torch.load(stages[1][0] / 'iter_6.pth', weights_only=True)['state_dict']
    assert not [k for k in state if 'caae' in k or 'judge' in k or 'semantics' in k]
    short = tmp_path / Path(SEMFORMER).stem / f'{Path(SEMFORMER).stem}.py'
    log = run(
        'tools/test.py',
        short,
        stages[1][0] / 'iter_6.pth',
        '--work-dir',
        tmp_path / 'test',
        '--show-dir',
        tmp_path / 'show',
        '--cfg-options',
        'model.caae.checkpoint=None',
    )
    assert 0 <= scores(log)['cam_mIoU'] <= 100
    assert len(list((tmp_path / 'show').iterdir())) == 6


def test_missing_first_stage(weak, tmp_path) -> None:
    done = train(
        short_config(SEMFORMER, weak, tmp_path),
        tmp_path / 'run',
        check=False,
        options={'model.caae.checkpoint': tmp_path / 'none.pth'},
    )
    assert done.returncode and 'Train the auto-encoder first' in done.stderr
    assert 'Iter(train)' not in done.stdout + done.stderr


@pytest.mark.slow
def test_self_training_on_maps_of_the_tools(weak, tmp_path) -> None:
    """Base, its fused maps, self-training on them, the student as a base again."""
    short = short_config(SMAF, weak, tmp_path)
    base = short_config(TOCO, weak, tmp_path)
    maps = tmp_path / 'maps'
    run(
        'tools/generate_pseudo_labels.py',
        base,
        tmp_path / 'earlier.pth',
        '--out',
        maps,
        '--save',
        'fused',
    )
    fused = tmp_path / 'fused.py'
    fused.write_text(FUSED.format(base=str(short), maps=str(maps / 'fused')))
    done = train(fused, tmp_path / 'fused')
    steps = losses(done.stdout + done.stderr)
    assert len(steps) == 6 and all(np.isfinite(s['loss_mac']) for s in steps)
    log = run(
        'tools/test.py',
        base,
        tmp_path / 'fused' / 'iter_6.pth',
        '--work-dir',
        tmp_path / 'test',
    )
    assert 0 <= scores(log)['cam_mIoU'] <= 100

    lost = sorted((maps / 'fused').iterdir())[3]
    lost.unlink()
    done = train(fused, tmp_path / 'again', check=False)
    assert done.returncode and f'{lost.name} is missing' in done.stdout + done.stderr


@pytest.mark.slow
def test_the_teacher_is_tested(weak, tmp_path) -> None:
    """One checkpoint holds student and teacher; a setting says which is tested."""
    short = short_config(FSR, weak, tmp_path)
    train(short, tmp_path / 'run')
    checkpoint = tmp_path / 'run' / 'iter_6.pth'
    state = torch.load(checkpoint, weights_only=True)['state_dict']
    copies = [k for k in state if '_ema.module.' in k]
    assert copies and any(
        not torch.equal(state[k], state[k.replace('_ema.module', '')]) for k in copies
    )
    assert state['losses.unc.center'].any() and state['losses.cer.center'].any()
    logs = [
        run(
            'tools/test.py',
            short,
            checkpoint,
            '--work-dir',
            tmp_path / kind,
            '--cfg-options',
            f'model.test_cfg.use_teacher={kind}',
        )
        for kind in ('False', 'True')
    ]
    student, teacher = (scores(log) for log in logs)
    assert student.keys() == teacher.keys() and student != teacher


@pytest.mark.slow
@pytest.mark.parametrize('processes,workers', [(1, 0), (1, 2), (2, 2)])
def test_resume_is_exact(method, tmp_path, processes: int, workers: int) -> None:
    """Stopped after the switch of phases, with the teacher already moved."""
    assert_resume_is_exact(
        method, tmp_path, stop=3, total=5, workers=workers, processes=processes
    )


@pytest.mark.slow
def test_two_processes_end_with_equal_weights(method, tmp_path) -> None:
    assert_two_processes_agree(method, tmp_path, {'train_cfg.val_interval': 99})


@pytest.mark.slow
@pytest.mark.parametrize('begin', [0, 1])
def test_gradient_of_two_processes(method, tmp_path, begin: int) -> None:
    """With all terms, and with modules that have no term yet."""
    terms = Config.fromfile(method).model.train_cfg.weights
    weights = {
        term: steps[-1][1] if begin == 0 else [(0, 0.0), (begin, steps[-1][1])]
        for term, steps in terms.items()
        if isinstance(steps, (list, tuple))
    }
    assert_gradient_is_mean_of_processes(
        method, tmp_path, overrides=dict(model=dict(train_cfg=dict(weights=weights)))
    )


# ------------------------------------------------------------------ mmseg's own models
#: as mmseg's configs are written: its data set, its metric, BGR, a top-level
#: data_preprocessor that the runner hands to the model
STOCK = """
default_scope = 'mmseg'
data_preprocessor = dict(
    type='SegDataPreProcessor', mean=[123.675, 116.28, 103.53], bgr_to_rgb=True,
    std=[58.395, 57.12, 57.375], pad_val=0, seg_pad_val=255, size=(64, 64),
    test_cfg=dict(size_divisor=32))
model = dict(
    type='EncoderDecoder', train_cfg=dict(), test_cfg=dict(mode='whole'),
    backbone=dict(
        type='ResNetV1c', depth=18, base_channels=4, norm_cfg=dict(type='SyncBN')),
    decode_head=dict(
        type='FCNHead', in_channels=32, channels=8, num_convs=1, num_classes=7,
        norm_cfg=dict(type='SyncBN')))
test_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='BaseSegDataset', data_root={data!r}, img_suffix='.jpg',
        metainfo=dict(classes=tuple('abcdefg')), ann_file='names.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        pipeline=[
            dict(type='LoadImageFromFile'), dict(type='Resize', scale=(80, 80)),
            dict(type='LoadAnnotations'), dict(type='PackSegInputs')]))
test_evaluator = dict(type='IoUMetric', output_dir={out!r})
test_cfg = dict(type='TestLoop')
"""


def test_post_processor_of_a_stock_config(shapes, tmp_path) -> None:
    from mmengine.registry import init_default_scope

    from mmwsss.registry import MODELS

    data, config = tmp_path / 'data', tmp_path / 'fcn.py'
    data.mkdir()
    for folder in ('JPEGImages', 'SegmentationClass'):
        (data / folder).symlink_to(shapes / folder)
    (data / 'names.txt').write_text(
        ''.join(f'{p.stem}\n' for p in sorted((shapes / 'JPEGImages').glob('test*')))
    )
    masks = {}
    for kind in ('plain', 'crf'):
        config.write_text(STOCK.format(data=str(data), out=str(tmp_path / kind)))
        if kind == 'plain':
            init_default_scope('mmseg')
            torch.manual_seed(0)
            cfg = Config.fromfile(config).model
            cfg.backbone.norm_cfg = cfg.decode_head.norm_cfg = dict(type='BN')
            model = MODELS.build(cfg)
            init_default_scope('mmwsss')
            torch.nn.init.normal_(model.decode_head.conv_seg.weight)
            torch.save(dict(state_dict=model.state_dict()), tmp_path / 'fcn.pth')
        refine = ['--post-processor', 'crf:psa'] if kind == 'crf' else []
        log = run(
            'tools/test.py',
            config,
            tmp_path / 'fcn.pth',
            '--work-dir',
            tmp_path / 'test',
            *refine,
        )
        assert 'mIoU' in log and 'do not match exactly' not in log
        masks[kind] = [
            np.asarray(Image.open(p)) for p in sorted((tmp_path / kind).iterdir())
        ]
    assert len(masks['crf']) == 6 and masks['crf'][0].shape == (96, 96)
    assert any((a != b).any() for a, b in zip(*masks.values(), strict=True))


# ------------------------------------------------------------------ real photos
@pytest.fixture(scope='session')
def photos(tmp_path_factory) -> Path:
    """A few photos of COCO in the layout of the data set."""
    source = Path(
        os.environ.get('MMWSSS_TINY_COCO')
        or ROOT.parent / 'shared' / 'data' / 'tiny_coco'
    )
    if not source.is_dir():
        pytest.skip(
            f'no photos in {source}; set MMWSSS_TINY_COCO to a folder with '
            'annotations, train2017 and val2017'
        )
    folder = tmp_path_factory.mktemp('coco')
    for split in ('train', 'val'):
        run(
            'tools/dataset_converters/coco14.py',
            '--split',
            split,
            '--images',
            source / f'{split}2017',
            '--annotations',
            source / 'annotations' / f'instances_{split}2017.json',
            '--out',
            folder,
            '--keep-empty',
        )
    return folder


def test_real_photos(photos, tmp_path) -> None:
    config = short_config(COCO, photos, tmp_path, limit='indices=4')
    done = train(
        config,
        tmp_path / 'run',
        options={'train_cfg.max_iters': 3, 'train_cfg.val_interval': 3},
    )
    log = done.stdout + done.stderr
    steps = losses(log)
    assert len(steps) == 3 and 'loss_reg' in steps[2]
    assert np.isfinite([v for s in steps for v in s.values()]).all()
    assert 0 <= scores(log)['cam_mIoU'] <= 100
