# The affinity stage on Shapes: a narrow ResNet-18 that learns from scratch, about a
# minute on a CPU. What VOC gives for 512 pixels is scaled to 96: edges lie on a grid of
# 24 x 24.
_base_ = [
    '../_base_/models/irn_r50.py',
    '../_base_/datasets/shapes_96.py',
    '../_base_/schedules/sgd_990.py',
    '../_base_/default_runtime.py',
]

# Folder of the seeds, one PNG an image; in a pipeline:
#   cfg_options={'train_dataloader.dataset.side_inputs.mask.dir': '{seeds.mask}'}
side_inputs = dict(mask=dict(dir='work_dirs/seeds/shapes/mask', root='.', kind='ids'))

model = dict(
    num_classes={{_base_.num_classes}},
    backbone=dict(
        depth=18,
        stem_channels=16,
        base_channels=16,
        frozen_stages=-1,
        norm_eval=False,
        pretrained=None,
    ),
    edge_head=dict(in_channels=(16, 16, 32, 64, 128)),
    radius=5,
    test_cfg=dict(radius=3, num_squarings=6, pad_to=None),
)

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadSideInputs'),
    dict(type='PILRandomScale', scale_range=(0.75, 1.5)),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILPadCrop', crop_size=96),
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

train_cfg = dict(max_iters=300, val_interval=300)
# All of it is trained, with a real momentum.
optim_wrapper = dict(optimizer=dict(momentum_slip=False))

default_hooks = dict(checkpoint=dict(interval=150))
custom_hooks = [
    dict(type='SetupCheckHook'),
    dict(type='IterSeedHook'),
    dict(type='LogTransferHook'),
    dict(type='LabelStatsHook', interval=50),
]
