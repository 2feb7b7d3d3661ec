_base_ = [
    '../_base_/models/fsr_vit-b.py',
    '../_base_/datasets/voc12_448.py',
    '../_base_/schedules/cosine_20k.py',
    '../_base_/default_runtime.py',
]

# timm's ViT-B/16: ImageNet-21k pre-training, 1k fine-tuning (hash 80ecf9dd). A URL or
# a path; timm's, DeiT's and mmpretrain's layouts are recognised.
pretrained = (
    'https://github.com/rwightman/pytorch-image-models/releases/download/'
    'v0.1-vitjx/jx_vit_base_p16_224-80ecf9dd.pth'
)

model = dict(num_classes={{_base_.num_classes}}, backbone=dict(pretrained=pretrained))

# Two views of one photo, drawn independently. 4 GPUs x 2 images.
view = [
    dict(type='PILRandomResizedCrop', size=448, area=(0.32, 1.0), resample='bicubic'),
    dict(type='PILRandomFlip'),
    dict(
        type='PILColorJitter',
        brightness=0.4,
        contrast=0.4,
        saturation=0.2,
        hue=0.1,
        prob=0.5,
    ),
]
train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='MultiView', views=dict(view1=view, view2=view)),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# `tools/test.py --tta`: native size, sum of the mirrored pair, maximum over scales.
# With dense CRF: --cfg-options tta_cfg.post_processor.type=DenseCRF
tta_cfg = dict(
    outputs=('seg',),
    input=dict(squash=None),
    seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='sum', fuse='max'),
)
