# Stage 2 on VOC Animals. Train configs/semformer/caae_deit-t_animals.py first.
_base_ = [
    '../_base_/models/semformer_deit-s.py',
    '../_base_/datasets/voc_animals_224.py',
    '../_base_/schedules/sgd_poly.py',
    '../_base_/default_runtime.py',
]

# DeiT-Ti/16, ImageNet-1k, not distilled (hash a1311bcf)
pretrained = 'https://dl.fbaipublicfiles.com/deit/deit_tiny_patch16_224-a1311bcf.pth'

model = dict(
    num_classes={{_base_.num_classes}},
    backbone=dict(arch='deit-tiny', img_size=224, pretrained=pretrained),
    cam_head=dict(in_channels=192),
    token_head=dict(in_channels=192, channels=64),
    caae=dict(
        backbone=dict(arch='deit-tiny'),
        semantics=dict(in_channels=192, channels=64),
        checkpoint='work_dirs/caae_deit-t_animals/iter_500.pth',
    ),
    # half of a crop, as on VOC
    train_cfg=dict(caae_size=(112, 112)),
    # scale 2 would be half of the time
    test_cfg=dict(cam=dict(multiple=1, scales=(0.5, 1.0, 1.5))),
)

# As on VOC, halved.
train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='PILResizeLongSide', side_range=(112, 448), resample='bicubic'),
    dict(type='PILRandomFlip'),
    dict(type='PILPadCrop', crop_size=224),
    dict(type='PackWeakInputs'),
]
test_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadMask'),
    dict(type='PILMultiScale', scales=(0.5, 1.0, 1.5), rounding=16),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='WSSSMetric', bkg_thr=0.25)
test_evaluator = val_evaluator

# 1,000 iterations instead of 26,440, hence a real momentum; a fifth of the rate.
train_cfg = dict(max_iters=1000, val_interval=1000)
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
