# ToCo with DeiT-Ti/16 for crops of 224, trained on two CPU cores. Lengths that VOC
# gives for 448 pixels are halved.
_base_ = ['./toco_vit-b.py']

model = dict(
    backbone=dict(
        arch='deit-tiny',
        # DeiT-Ti/16, ImageNet-1k, not distilled (hash a1311bcf)
        pretrained=(
            'https://dl.fbaipublicfiles.com/deit/deit_tiny_patch16_224-a1311bcf.pth'
        ),
    ),
    decode_head=dict(channels=192, dilation=2),
    proj_head=dict(
        hidden_channels=512, bottleneck_channels=128, out_channels=512
    ),
    # 112 pixels, after the halving, instead of 224
    labeler=dict(refiner=dict(dilations=(1, 2, 3, 4, 6, 12))),
    train_cfg=dict(
        weights=dict(
            _delete_=True, cls=1.0, cls_aux=1.0, ptc=0.2, ctc=0.5,
            seg=[(0, 0.0), (300, 0.1)],
        ),
        local_crops=dict(crop_num=8, crop_size=64),
    ),
    test_cfg=dict(
        outputs=('seg', 'cam', 'aux_cam', 'pseudo'),
        input=dict(squash=None),
    ),
)  # fmt: skip
