# A few photos of COCO 2017, written by tools/dataset_converters/coco14.py (its folders
# are train2017 and val2017; --keep-empty lists photos without an object too). For
# trying the tools on real photos, not for numbers.
num_classes = 81  # background included
data_root = 'data/coco_tiny'

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='ToCoViews', crop_size=224),
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
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='SeededInfiniteSampler'),
    dataset=dict(
        type='COCO14WeakDataset',
        data_root=data_root,
        split='train',
        year=2017,
        allow_unlabelled=True,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='COCO14WeakDataset',
        data_root=data_root,
        split='val',
        year=2017,
        allow_unlabelled=True,  # lists of earlier versions name photos alone
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='WSSSMetric')
test_evaluator = val_evaluator
