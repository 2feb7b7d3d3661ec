# PASCAL VOC 2012, train_aug with pseudo masks -> val with the true ones, crops of 512,
# as mmseg's own pipelines read data (BGR), so that mmseg's models fit unchanged. Four
# GPUs with four images each give the usual batch of 16.
num_classes = 21  # background included
data_root = 'data/VOCdevkit/VOC2012'
# of tools/generate_pseudo_labels.py; in a pipeline:
#   cfg_options={'train_dataloader.dataset.side_inputs.mask.dir': '{masks.mask}'}
side_inputs = dict(
    mask=dict(dir='work_dirs/pseudo_masks/voc12/mask', root='.', kind='ids')
)
crop_size = (512, 512)

train_pipeline = [
    dict(type='LoadPicture', channel_order='bgr'),
    dict(type='LoadSideInputs'),
    dict(
        type='RandomResize', scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True
    ),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
# At native size.
test_pipeline = [
    dict(type='LoadPicture', channel_order='bgr'),
    dict(type='LoadMask'),
    dict(type='PackSegInputs'),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='SeededInfiniteSampler'),
    dataset=dict(
        type='VOC12WeakDataset',
        data_root=data_root,
        split='train_aug',
        side_inputs=side_inputs,
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
