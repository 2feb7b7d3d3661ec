# SMAF on top of SemFormer: train configs/semformer/semformer_deit-s_voc.py first. The
# auto-encoder isn't needed.
_base_ = ['../semformer/semformer_deit-s_voc.py']

model = dict(
    _delete_=True,
    type='MultiScaleSelfTraining',
    segmentor={{_base_.model}},
    checkpoint='work_dirs/semformer_deit-s_voc/iter_26440.pth',
    losses=dict(mac=dict(type='AttentionConsistency', kind='relu')),
    self_training=dict(scales=(0.5, 1.0, 1.5, 2.0), bkg_thr=0.25),
    train_cfg=dict(weights=dict(mac=10.0)),
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
train_cfg = dict(max_iters=5000, val_interval=5000)
optim_wrapper = dict(optimizer=dict(lr=0.001))
