_base_ = [
    '../_base_/models/seco_vit-b.py',
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
    memory=dict(momentum=0.99),
    train_cfg=dict(
        weights=dict(
            ptc=[(0, 0.0), (8001, 0.2)],
            lil=[(0, 0.0), (12001, 0.3)],
            lig=[(0, 0.0), (12001, 0.5)],
            seg=[(0, 0.0), (16001, 0.12)],
            reg=[(0, 0.0), (16001, 0.05)],
        ),
        # The queue moves from iteration 0, as released, though at 12,001 it holds the
        # keys of the last 48 steps: [(0, False), (11954, True)] trains the same
        # network for less.
        update_queue=True,
        update_prototypes=[(0, False), (6000, True)],
        roi_source=[(0, 'aux_cam'), (50000, 'cam')],
        pseudo_source=[(0, 'aux_cam'), (12000, 'cam')],
        cam=dict(scales=(1.0, 0.5, 0.75, 1.25, 1.5)),
    ),
    labeler=dict(high_thr=0.65),
    test_cfg=dict(cam=dict(scales=(1.0, 0.5, 0.75, 1.25, 1.5))),
)
val_evaluator = dict(bkg_thr=0.45)
test_evaluator = dict(bkg_thr=0.45)

train_pipeline = [
    dict(type='LoadPicture'),
    dict(
        type='ToCoViews',
        crop_size=448,
        view1=dict(flip_prob=0, jitter_prob=0, grey_prob=0, blur_prob=0),
    ),
    dict(type='PackWeakInputs'),
]
# two GPUs with four pictures each
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))

# `tools/test.py --tta`: native size, sum of the mirrored pair, maximum over scales.
tta_cfg = dict(
    outputs=('seg',),
    input=dict(squash=None),
    seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='sum', fuse='max'),
)
