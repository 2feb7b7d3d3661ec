# SMAF on top of ToCo: train configs/toco/toco_deit-t_animals.py first.
_base_ = ['../toco/toco_deit-t_animals.py']

model = dict(
    _delete_=True,
    type='MultiScaleSelfTraining',
    segmentor={{_base_.model}},
    checkpoint='work_dirs/toco_deit-t_animals/iter_3000.pth',
    data_preprocessor=dict(zero_padding=('img',)),
    losses=dict(mac=dict(type='AttentionConsistency', kind='relu')),
    self_training=dict(scales=(0.5, 1.0, 1.5, 2.0), bkg_thr=0.45),
    train_cfg=dict(weights=dict(cls=1.0, mac=10.0)),
)

# The published geometry (long side 256 to 512, crop 448), halved; no colour jitter.
train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILResizeLongSide', side_range=(160, 256), resample='bicubic'),
    dict(type='PILRandomFlip'),
    dict(type='PILPadCrop', crop_size=224),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# A short stage behind the base's 3,000 iterations.
train_cfg = dict(max_iters=400, val_interval=400)
optim_wrapper = dict(optimizer=dict(lr=2e-5))
param_scheduler = [
    dict(
        type='PolyWarmupLR',
        warmup_iters=20,
        warmup_ratio=1e-6,
        power=0.9,
        by_epoch=False,
    )
]
