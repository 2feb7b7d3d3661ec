# The affinity stage on PASCAL VOC 2012 (SemFormer's settings of IRNet's edge network):
# it learns from the seeds of any CAM model, and its walk spreads that model's CAMs.
# Two GPUs with 16 images each give the published batch of 32.
_base_ = [
    '../_base_/models/irn_r50.py',
    '../_base_/datasets/voc12_512.py',
    '../_base_/schedules/sgd_990.py',
    '../_base_/default_runtime.py',
]

# Folder of the seeds, one PNG an image; in a pipeline:
#   cfg_options={'train_dataloader.dataset.side_inputs.mask.dir': '{seeds.mask}'}
side_inputs = dict(mask=dict(dir='work_dirs/seeds/voc/mask', root='.', kind='ids'))

model = dict(num_classes={{_base_.num_classes}})

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadSideInputs'),
    dict(type='PILResizeLongSide', side_range=(320, 640), resample='bicubic'),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='PILPadCrop', crop_size=512),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(
    batch_size=16, dataset=dict(side_inputs=side_inputs, pipeline=train_pipeline)
)
# Nothing to measure by itself: what counts are the masks after the walk.
val_dataloader = None
val_evaluator = None
test_dataloader = None
test_evaluator = None

default_hooks = dict(checkpoint=dict(interval=330))
custom_hooks = [
    dict(type='SetupCheckHook'),
    dict(type='IterSeedHook'),
    dict(type='LogTransferHook'),
    dict(type='LabelStatsHook', interval=50),
]
