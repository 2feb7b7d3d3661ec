# Stage 2 on VOC: trainaug, 20 epochs of 8 images. On one GPU, so that the losses are
# means over the whole batch, as published. Needs the auto-encoder of stage 1:
# --cfg-options model.caae.checkpoint=work_dirs/caae_deit-b-dist_voc/iter_33000.pth
_base_ = [
    '../_base_/models/semformer_deit-s.py',
    '../_base_/datasets/voc12_448.py',
    '../_base_/schedules/sgd_poly.py',
    '../_base_/default_runtime.py',
]

# DeiT-S/16, ImageNet-1k, not distilled (hash cd65a155). A URL or a path.
pretrained = 'https://dl.fbaipublicfiles.com/deit/deit_small_patch16_224-cd65a155.pth'

model = dict(num_classes={{_base_.num_classes}}, backbone=dict(pretrained=pretrained))

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='PILResizeLongSide', side_range=(224, 896), resample='bicubic'),
    dict(type='PILRandomFlip'),
    dict(type='PILPadCrop', crop_size=448),
    dict(type='PackWeakInputs'),
]
# The published protocol: the 8-bit image resized by PIL, sides whole patches.
test_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadMask'),
    dict(type='PILMultiScale', scales=(0.5, 1.0, 1.5, 2.0), rounding=16),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
# CAMs are published on the 1,464 images of `train`.
test_dataloader = dict(dataset=dict(split='train', pipeline=test_pipeline))
# every class counts, an absent one as 0
val_evaluator = dict(type='WSSSMetric', bkg_thr=0.25, average='fixed')
test_evaluator = val_evaluator

train_cfg = dict(max_iters=26440, val_interval=26440)
optim_wrapper = dict(
    optimizer=dict(lr=0.005),
    paramwise_cfg=dict(new=('backbone.class_tokens', 'backbone.class_pos')),
)
auto_scale_lr = dict(base_batch_size=8)

# No pseudo label in training: no shares of labels.
custom_hooks = [
    dict(type='SetupCheckHook'),
    dict(type='IterSeedHook'),
    dict(type='LogTransferHook'),
    dict(type='CAMPanelHook', interval=500),
]
