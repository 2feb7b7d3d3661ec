# Shapes, drawn by tools/dataset_converters/shapes.py: pictures of 96 pixels, for
# experiments of minutes on a CPU.
num_classes = 7  # background included
data_root = 'data/shapes'

train_pipeline = [
    dict(type='LoadRGBImage'),
    dict(type='ToCoViews', crop_size=96),
    dict(type='PackWeakInputs'),
]
# At native size: where a method squashes, the model does it.
test_pipeline = [
    dict(type='LoadRGBImage'),
    dict(type='LoadMask'),
    dict(type='PackWeakInputs'),
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
        pipeline=train_pipeline))
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
        pipeline=test_pipeline))
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
        pipeline=test_pipeline))

val_evaluator = dict(type='WSSSMetric')
test_evaluator = val_evaluator
