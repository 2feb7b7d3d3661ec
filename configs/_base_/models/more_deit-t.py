# MoRe with DeiT-Ti/16 for crops of 224, trained on two CPU cores. Lengths that VOC
# gives for 448 pixels are halved.
_base_ = ['./more_vit-b.py']

model = dict(
    backbone=dict(
        arch='deit-tiny',
        # DeiT-Ti/16, ImageNet-1k, not distilled (hash a1311bcf)
        pretrained=(
            'https://dl.fbaipublicfiles.com/deit/deit_tiny_patch16_224-a1311bcf.pth'
        ),
    ),
    decode_head=dict(channels=192, dilation=2),
    # 112 pixels, after the halving, instead of 224
    labeler=dict(refiner=dict(dilations=(1, 2, 3, 4, 6, 12))),
    train_cfg=dict(
        # 2,000 iterations instead of 20,000: a tenth of each begin; no energy term
        weights=dict(
            _delete_=True, cls=1.0, cls_aux=1.0, mct=1.0, ptc=0.3, cle=0.2, une=0.1,
            seg=[(0, 0.0), (200, 0.12)],
        ),
        certain=[
            (0, dict(source='aux_cam', low_thr=0.25, high_thr=0.5)),
            (1000, dict(source='cam', low_thr=0.35, high_thr=0.6)),
        ],
        uncertain=[
            (0, dict(source='aux_cam', low_thr=0.25, high_thr=0.7)),
            (1000, dict(source='cam', low_thr=0.35, high_thr=0.6)),
        ],
        # scale 1.5 would be half of a step
        cam=dict(scales=(1.0, 0.5)),
    ),
    test_cfg=dict(
        outputs=('seg', 'cam', 'aux_cam', 'lam', 'cam_lam', 'pseudo'),
        input=dict(squash=None),
        cam=dict(scales=(1.0, 0.5, 1.5)),
    ),
)  # fmt: skip
