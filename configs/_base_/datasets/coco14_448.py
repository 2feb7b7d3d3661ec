# MS COCO 2014, written by tools/dataset_converters/coco14.py, crops of 448. Four GPUs
# with two images each give the published batch of 8.
num_classes = 81  # background included
data_root = 'data/coco14'

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='ToCoViews', crop_size=448),
    dict(type='PackWeakInputs'),
]
# At native size: where a method squashes, the model does it.
test_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadMask'),
    dict(type='PackWeakInputs'),
]

train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='SeededInfiniteSampler'),
    dataset=dict(
        type='COCO14WeakDataset',
        data_root=data_root,
        split='train',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='COCO14WeakDataset',
        data_root=data_root,
        split='val',
        indices=5000,  # while training; the test takes all 40,137
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='COCO14WeakDataset',
        data_root=data_root,
        split='val',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)

val_evaluator = dict(type='WSSSMetric')
test_evaluator = val_evaluator
