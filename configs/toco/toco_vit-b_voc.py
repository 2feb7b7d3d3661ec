_base_ = [
    '../_base_/models/toco_vit-b.py',
    '../_base_/datasets/voc12_448.py',
    '../_base_/schedules/schedule_20k.py',
    '../_base_/default_runtime.py',
]

# timm's ViT-B/16: ImageNet-21k pre-training, 1k fine-tuning (hash 80ecf9dd). A URL or
# a path; timm's, DeiT's and mmpretrain's layouts are recognised.
pretrained = (
    'https://github.com/rwightman/pytorch-image-models/releases/download/'
    'v0.1-vitjx/jx_vit_base_p16_224-80ecf9dd.pth'
)

model = dict(num_classes={{_base_.num_classes}}, backbone=dict(pretrained=pretrained))

# `tools/test.py --tta`: native size, sum of the mirrored pair, maximum over scales.
# With dense CRF: --cfg-options model.test_cfg.post_processor.type=DenseCRF
tta_cfg = dict(
    outputs=('seg',),
    input=dict(squash=None),
    seg=dict(scales=(1.0, 1.5, 1.25), mirror=True, pair='sum', fuse='max'),
)
