# FSR with DeiT-Ti/16 for crops of 224. Lengths that VOC gives for 448 are halved.
_base_ = ['./fsr_vit-b.py']

model = dict(
    backbone=dict(
        arch='deit-tiny',
        img_size=224,
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
    losses=dict(unc=dict(channels=512), cer=dict(channels=512)),
    train_cfg=dict(
        # 2,000 iterations instead of 20,000: a tenth of each step; no energy term
        weights=dict(
            _delete_=True, cls=1.0, cls_aux=1.0, ptc=0.2, unc=0.1, cer=0.1,
            seg=[(0, 0.0), (300, 0.1)],
        ),
        # one pass (Eq. 2) guides the masks
        mask=dict(
            block_size=32, strategy=[(0, 'random'), (400, 'uncertain')], scales=None
        ),
        teacher_temp=dict(iters=250),
        # the teacher follows faster, for it has a tenth of the time
        ema_momentum=dict(start=0.995, iters=2000),
    ),
    test_cfg=dict(
        outputs=('seg', 'cam', 'aux_cam', 'pseudo'),
        input=dict(squash=None),
    ),
)  # fmt: skip
