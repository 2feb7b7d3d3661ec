# Licensed under Apache-2.0.
"""What would fail in a late stage is said before the first one runs."""

from __future__ import annotations

import shutil

import pytest
from PIL import Image

from mmwsss.pipeline.runner import dry_run, run_pipeline
from mmwsss.pipeline.stages import PipelineError
from tests.helpers.pipelines import NET, STAGES, make_run, write_pipeline


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
        (
            dict(masks__segments="dict(dir='x', overlap='top')"),
            "overlap must be one of .* got 'top'",
        ),
        (dict(masks__segments='dict(dir=3)'), 'segments must be a folder, or dict'),
        (dict(masks__preset='irn'), 'preset and unary are settings of the CRF'),
        (dict(masks__refine='crf', masks__bkg_thr=0.3, masks__preset='inr'), "'inr'"),
        (dict(cam_score__thresholds='0-1'), "stage 'cam_score': thresholds must be"),
        (dict(cam_score__crf='irn'), 'give img_dir='),
        (dict(cam_score__boundary=True), "contours of masks: give kind='mask'"),
    ],
)
def test_settings_that_a_tool_would_refuse(tmp_path, work, options, message):
    run = make_run(write_pipeline(tmp_path), work, **options)
    with pytest.raises(PipelineError, match=message):
        dry_run(run)


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
        picture = Image.new('RGB' if suffix == 'jpg' else 'L', (8, 6))
        value = 1 if folder == 'SegmentationClass' else 255  # a cat
        picture.paste(value, (0, 0, 3, 3))
        picture.save(data / folder / f'1.{suffix}')
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
