# SMAF on top of SemFormer: train configs/semformer/semformer_deit-t_shapes.py first.
# The auto-encoder isn't needed.
_base_ = ['../semformer/semformer_deit-t_shapes.py']

model = dict(
    _delete_=True,
    type='MultiScaleSelfTraining',
    segmentor={{_base_.model}},
    checkpoint='work_dirs/semformer_deit-t_shapes/iter_600.pth',
    losses=dict(mac=dict(type='AttentionConsistency', kind='relu')),
    self_training=dict(scales=(0.5, 1.0, 1.5, 2.0), bkg_thr=0.4),
    train_cfg=dict(weights=dict(mac=10.0)),
)

# The published geometry (long side 256 to 512, crop 448), scaled; no colour jitter.
train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILResizeLongSide', side_range=(80, 112), resample='bicubic'),
    dict(type='PILRandomFlip'),
    dict(type='PILPadCrop', crop_size=96),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# A short stage behind the base's 600 iterations.
train_cfg = dict(max_iters=200, val_interval=200)
optim_wrapper = dict(optimizer=dict(lr=0.001))
