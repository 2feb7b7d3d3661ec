_base_ = [
    '../_base_/models/more_vit-b.py',
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
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(graph=dict(lr_mult=10.0))))

# FSR's view; no box: nothing of it is padding.
train_pipeline = [
    dict(type='LoadPicture'),
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
    dict(type='PackWeakInputs'),
]
# one GPU with four pictures
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))

# `tools/test.py --tta`: the decoder, squashed to 448, sum of the mirrored pair, maximum
# over scales. With dense CRF: --cfg-options tta_cfg.post_processor.type=DenseCRF
# tta_cfg.post_processor.preset=deeplab. The published 76.4 isn't the decoder's: see
# more_vit-b_voc_lam.py.
tta_cfg = dict(
    outputs=('seg',),
    input=dict(squash=(448, 448)),
    seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='sum', fuse='max'),
)
