# SMAF on top of ToCo: train configs/toco/toco_vit-b_voc.py first.
_base_ = ['../toco/toco_vit-b_voc.py']

model = dict(
    _delete_=True,
    type='MultiScaleSelfTraining',
    segmentor={{_base_.model}},
    checkpoint='work_dirs/toco_vit-b_voc/iter_20000.pth',
    data_preprocessor=dict(zero_padding=('img',)),
    losses=dict(mac=dict(type='AttentionConsistency', kind='relu')),
    self_training=dict(scales=(0.5, 1.0, 1.5, 2.0), bkg_thr=0.45),
    train_cfg=dict(weights=dict(cls=1.0, mac=10.0)),
)

# No colour jitter. 1 GPU x 8 images.
train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILResizeLongSide', side_range=(256, 512), resample='bicubic'),
    dict(type='PILRandomFlip'),
    dict(type='PILPadCrop', crop_size=448),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=train_pipeline))

# Nobody has published these: lengths, rates, bkg_thr and the weight of mac are where to
# start from, not what is best.
train_cfg = dict(max_iters=5000, val_interval=1000)
optim_wrapper = dict(optimizer=dict(lr=2e-5))
param_scheduler = [
    dict(
        type='PolyWarmupLR',
        warmup_iters=200,
        warmup_ratio=1e-6,
        power=0.9,
        by_epoch=False,
    )
]
