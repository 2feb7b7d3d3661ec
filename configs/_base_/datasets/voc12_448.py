# PASCAL VOC 2012, train_aug -> val, crops of 448. Two GPUs with two images each
# give the published batch of 4.
num_classes = 21  # background included
data_root = 'data/VOCdevkit/VOC2012'

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
        type='VOC12WeakDataset',
        data_root=data_root,
        split='train_aug',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='VOC12WeakDataset',
        data_root=data_root,
        split='val',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='WSSSMetric')
test_evaluator = val_evaluator
