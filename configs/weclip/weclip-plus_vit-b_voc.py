_base_ = [
    '../_base_/models/weclip-plus_vit-b.py',
    '../_base_/datasets/voc12_320.py',
    '../_base_/schedules/weclip_30k.py',
    '../_base_/default_runtime.py',
]

# What the file of the frozen encoder and its texts is made of, see the README.
pretrained = 'data/pretrained/ViT-B-16.pt'

model = dict(num_classes={{_base_.num_classes}})
optim_wrapper = dict(
    optimizer=dict(lr=2e-5),
    paramwise_cfg=dict(custom_keys=dict(dino_fusion=dict(lr_mult=10.0))),
)
randomness = dict(seed=1)

# `tools/test.py --tta`: long side 512, mean of the mirrored pair and over scales, dense
# CRF.
tta_cfg = dict(
    outputs=('seg',),
    input=dict(long_side=512, scaling='factor'),
    seg=dict(
        scales=(1.0, 1.5), mirror=True, pair='mean', fuse='mean', fuse_at='logits'
    ),
    post_processor=dict(type='DenseCRF', preset='afa'),
)
