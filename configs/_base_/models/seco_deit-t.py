# SeCo with DeiT-Ti/16 for crops of 224, trained on two CPU cores. Lengths that VOC
# gives for 448 pixels are halved; a crop has 3 x 3 patches instead of 4 x 4.
_base_ = ['./seco_vit-b.py']

model = dict(
    backbone=dict(
        arch='deit-tiny',
        # DeiT-Ti/16, ImageNet-1k, not distilled (hash a1311bcf)
        pretrained=(
            'https://dl.fbaipublicfiles.com/deit/deit_tiny_patch16_224-a1311bcf.pth'
        ),
    ),
    decode_head=dict(dilations=(3, 6, 9, 12)),
    proj_head=dict(hidden_channels=512),
    # 112 pixels, after the halving, instead of 224
    labeler=dict(refiner=dict(dilations=(1, 2, 3, 4, 6, 12))),
    train_cfg=dict(
        # 2,000 iterations instead of 20,000: a tenth of each begin; no energy term
        weights=dict(
            _delete_=True, cls=1.0, cls_aux=1.0, ptc=0.3,
            lil=[(0, 0.0), (100, 0.5)], lig=[(0, 0.0), (100, 0.5)],
            seg=[(0, 0.0), (200, 0.12)],
        ),
        # the teacher follows faster, for it has a tenth of the time
        ema_momentum=0.99,
        update_prototypes=[(0, False), (60, True)],
        roi_source=[(0, 'aux_cam'), (1000, 'cam')],
        local_crops=dict(crop_num=10, crop_size=48),
        # scale 1.5 would be half of a step
        cam=dict(scales=(1.0, 0.5)),
    ),
    test_cfg=dict(
        outputs=('seg', 'cam', 'aux_cam', 'pseudo'),
        input=dict(squash=None),
        cam=dict(scales=(1.0, 0.5, 1.5)),
    ),
)  # fmt: skip
