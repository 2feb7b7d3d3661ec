# Stage 2 on Shapes. Train configs/semformer/caae_deit-t_shapes.py first.
_base_ = [
    '../_base_/models/semformer_deit-t.py',
    '../_base_/datasets/shapes_96.py',
    '../_base_/schedules/sgd_poly.py',
    '../_base_/default_runtime.py',
]

model = dict(
    num_classes={{_base_.num_classes}},
    caae=dict(checkpoint='work_dirs/caae_deit-t_shapes/iter_300.pth'),
)

# As on VOC; the long side in [72, 144] instead of [48, 192], where textures drown.
train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='PILResizeLongSide', side_range=(72, 144), resample='bicubic'),
    dict(type='PILRandomFlip'),
    dict(type='PILPadCrop', crop_size=96),
    dict(type='PackWeakInputs'),
]
test_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadMask'),
    dict(type='PILMultiScale', scales=(0.5, 1.0, 1.5), rounding=8),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_evaluator = dict(type='WSSSMetric', bkg_thr=0.25)
test_evaluator = val_evaluator

# 600 iterations instead of 26,440, hence a real momentum; with it a fifth of the rate
# (at 0.005 the class tokens forget what the pretrained net knows).
train_cfg = dict(max_iters=600, val_interval=600)
optim_wrapper = dict(
    optimizer=dict(lr=0.001, momentum_slip=False),
    paramwise_cfg=dict(new=('backbone.class_tokens', 'backbone.class_pos')),
)
auto_scale_lr = dict(base_batch_size=8)

custom_hooks = [
    dict(type='SetupCheckHook'),
    dict(type='IterSeedHook'),
    dict(type='LogTransferHook'),
    dict(type='CAMPanelHook', interval=500),
]
