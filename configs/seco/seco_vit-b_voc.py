_base_ = [
    '../_base_/models/seco_vit-b.py',
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

# View 1 has its own colours: the student sees clean crops, the teacher those of
# `local`, mirrored by a draw of its own (independent_local_flip=False: never).
train_pipeline = [
    dict(type='LoadPicture'),
    dict(
        type='ToCoViews',
        crop_size=448,
        view1=dict(flip_prob=0, jitter_prob=0, grey_prob=0, blur_prob=0),
    ),
    dict(type='PackWeakInputs'),
]
# One GPU with four pictures. A queue holds whole steps where its size is a multiple of
# GPUs x pictures x 12.
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))

# `tools/test.py --tta`: squashed to 448, sum of the mirrored pair, maximum over scales.
# With dense CRF: --cfg-options tta_cfg.post_processor.type=DenseCRF
tta_cfg = dict(
    outputs=('seg',),
    input=dict(squash=(448, 448)),
    seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='sum', fuse='max'),
)
