_base_ = [
    '../_base_/models/fsr_vit-b.py',
    '../_base_/datasets/coco14_448.py',
    '../_base_/schedules/cosine_80k.py',
    '../_base_/default_runtime.py',
]

pretrained = (
    'https://github.com/rwightman/pytorch-image-models/releases/download/'
    'v0.1-vitjx/jx_vit_base_p16_224-80ecf9dd.pth'
)

model = dict(
    num_classes={{_base_.num_classes}},
    backbone=dict(pretrained=pretrained),
    train_cfg=dict(
        weights=dict(
            ptc=[(0, 0.0), (12000, 0.2)],
            seg=[(0, 0.0), (8000, 0.1)],
            reg=[(0, 0.0), (8000, 0.05)],
        ),
        mask=dict(strategy=[(0, 'random'), (16000, 'uncertain')]),
        teacher_temp=dict(iters=10000),
        ema_momentum=dict(iters=80000),
    ),
    labeler=dict(high_thr=0.65),
)
val_evaluator = dict(bkg_thr=0.45)
test_evaluator = dict(bkg_thr=0.45)

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

# `tools/test.py --tta`: as on VOC. (ToCo's protocol of COCO:
# input=dict(squash=(448, 448)), seg=dict(pair='max', fuse='sum').)
tta_cfg = dict(
    outputs=('seg',),
    input=dict(squash=None),
    seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='sum', fuse='max'),
)
