_base_ = [
    '../_base_/models/more_vit-b.py',
    '../_base_/datasets/coco14_448.py',
    '../_base_/schedules/schedule_80k.py',
    '../_base_/default_runtime.py',
]

pretrained = (
    'https://github.com/rwightman/pytorch-image-models/releases/download/'
    'v0.1-vitjx/jx_vit_base_p16_224-80ecf9dd.pth'
)

model = dict(
    num_classes={{_base_.num_classes}},
    backbone=dict(pretrained=pretrained),
    losses=dict(cle=dict(temperature=0.1)),
    train_cfg=dict(
        weights=dict(
            ptc=[(0, 0.0), (8001, 0.3)],
            cle=[(0, 0.0), (12001, 0.1)],
            une=[(0, 0.0), (12001, 0.01)],
            seg=[(0, 0.0), (16001, 0.12)],
            reg=[(0, 0.0), (16001, 0.05)],
        ),
        certain=[
            (0, dict(source='aux_cam', low_thr=0.25, high_thr=0.5)),
            (50001, dict(source='cam', low_thr=0.35, high_thr=0.6)),
        ],
        uncertain=[
            (0, dict(source='aux_cam', low_thr=0.25, high_thr=0.65)),
            (50001, dict(source='cam', low_thr=0.35, high_thr=0.6)),
        ],
        cam=dict(scales=(1.0, 0.5, 0.75, 1.25, 1.5)),
    ),
    labeler=dict(high_thr=0.65),
    test_cfg=dict(cam=dict(scales=(1.0, 0.5, 0.75, 1.25, 1.5))),
)
val_evaluator = dict(bkg_thr=0.45)
test_evaluator = dict(bkg_thr=0.45)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(graph=dict(lr_mult=10.0))))

# Pictures are made smaller, mostly below the crop, and stand in black.
train_pipeline = [
    dict(type='LoadPicture'),
    dict(
        type='PILColorJitter',
        brightness=0.4,
        contrast=0.4,
        saturation=0.2,
        hue=0.1,
        prob=0.8,
    ),
    dict(type='PILRandomScale', scale_range=(0.32, 1.0)),
    dict(type='PILRandomFlip'),
    dict(type='PILPadCrop', crop_size=448),
    dict(type='PackWeakInputs'),
]
# Two GPUs with two pictures each, as the released script; the published log has four.
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# `tools/test.py --tta`: the decoder at native size, sum of the mirrored pair, maximum
# over scales.
tta_cfg = dict(
    outputs=('seg',),
    input=dict(squash=None),
    seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='sum', fuse='max'),
)
