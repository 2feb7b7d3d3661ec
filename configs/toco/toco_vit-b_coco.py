_base_ = [
    '../_base_/models/toco_vit-b.py',
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
    losses=dict(ctc=dict(temperature=1.0)),
    train_cfg=dict(
        # Four phases: classification; + segmentation on auxiliary-CAM labels; then
        # contrast, and labels from the final CAM.
        weights=dict(
            ptc=[(0, 0.0), (12001, 0.2)],
            ctc=[(0, 0.0), (12001, 0.5)],
            seg=[(0, 0.0), (8001, 0.1)],
            reg=[(0, 0.0), (8001, 0.05)],
        ),
        pseudo_source=[(0, 'aux_cam'), (12001, 'cam')],
    ),
    labeler=dict(high_thr=0.65),
)
val_evaluator = dict(bkg_thr=0.45)
test_evaluator = dict(bkg_thr=0.45)

# `tools/test.py --tta`: 448x448, maximum of the mirrored pair, sum over scales.
tta_cfg = dict(
    outputs=('seg',),
    input=dict(squash=(448, 448)),
    seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='max', fuse='sum'),
)
