# VOC Animals, made by tools/dataset_converters/voc_animals.py from VOC 2012: six
# classes, long side 320, crops of 224. $MMWSSS_VOC_ANIMALS names a folder made before.
import os

num_classes = 7  # background included
data_root = os.environ.get('MMWSSS_VOC_ANIMALS', 'data/voc_animals')

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
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='SeededInfiniteSampler'),
    dataset=dict(
        type='VOCAnimalsDataset',
        data_root=data_root,
        split='train',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='VOCAnimalsDataset',
        data_root=data_root,
        split='val',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='WSSSMetric')
test_evaluator = val_evaluator
