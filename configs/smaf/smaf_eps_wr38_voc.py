# SMAF as published and released, on top of EPS. The base is trained first
# (configs/eps/eps_wr38_voc.py), then its fused maps of train_aug are made, at full size
# (with --stride 4 they are 16 times smaller):
#   python tools/generate_pseudo_labels.py configs/eps/eps_wr38_voc.py \
#       work_dirs/eps_wr38_voc/iter_20000.pth --out work_dirs/eps_wr38_voc/maps \
#       --split train_aug --save fused
_base_ = ['../eps/eps_wr38_voc.py']

model = dict(
    _delete_=True,
    type='MultiScaleSelfTraining',
    segmentor={{_base_.model}},
    checkpoint='work_dirs/eps_wr38_voc/iter_20000.pth',
    losses=dict(mac=dict(type='AttentionConsistency', kind='softmax')),
    self_training=dict(source='fused', bkg_thr=0.2),
    # the paper adds cls=1.0
    train_cfg=dict(weights=dict(mac=100.0)),
)

# As EPS, without its colour jitter; no saliency map is read. The released order of
# resamplings: maps go with the picture, then to a quarter of the crop.
train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadSideInputs'),
    dict(
        type='PILResizeLongSide',
        side_range=(256, 512),
        resample='bicubic',
        align_corners=True,
    ),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILPadCrop', crop_size=448),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(
    dataset=dict(
        side_inputs=dict(
            saliency=None,
            fused=dict(dir='work_dirs/eps_wr38_voc/maps/fused', root='.', kind='maps'),
        ),
        pipeline=train_pipeline,
    )
)
