# Shapes with pseudo masks instead of true ones for training, as mmseg's own pipelines
# read data (BGR), so that mmseg's models fit unchanged: validated and tested on the
# true masks.
num_classes = 7  # background included
data_root = 'data/shapes'
# of tools/generate_pseudo_labels.py; in a pipeline:
#   cfg_options={'train_dataloader.dataset.side_inputs.mask.dir': '{masks.mask}'}
side_inputs = dict(
    mask=dict(dir='work_dirs/pseudo_masks/shapes/mask', root='.', kind='ids')
)
crop_size = (96, 96)

train_pipeline = [
    dict(type='LoadPicture', channel_order='bgr'),
    dict(type='LoadSideInputs'),
    dict(
        type='RandomResize', scale=crop_size, ratio_range=(0.75, 1.5), keep_ratio=True
    ),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.95),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadPicture', channel_order='bgr'),
    dict(type='LoadMask'),
    dict(type='PackSegInputs'),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='SeededInfiniteSampler'),
    dataset=dict(
        type='ShapesDataset',
        data_root=data_root,
        split='train',
        side_inputs=side_inputs,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ShapesDataset',
        data_root=data_root,
        split='val',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ShapesDataset',
        data_root=data_root,
        split='test',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)

val_evaluator = dict(type='WSSSMetric')
test_evaluator = val_evaluator
