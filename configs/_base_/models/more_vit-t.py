# MoRe with a tiny ViT for pictures of 96 pixels: minutes on a CPU. Lengths that VOC
# gives for 448 pixels are scaled to 96.
_base_ = ['./more_vit-b.py']

model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dims=96,
            num_layers=6,
            num_heads=4,
            feedforward_channels=384,
        ),
        img_size=96,
        patch_size=8,
        out_indices=(3, 5),
        # tools/misc/pretrain_tiny.py: the stand-in for ImageNet weights
        pretrained='demo/weights/vit-t_shapes.pth',
    ),
    decode_head=dict(channels=96, dilation=2),
    # 48 pixels, after the halving, instead of 224
    labeler=dict(refiner=dict(dilations=(1, 2, 3, 4, 6, 8))),
    # sigma_xy: 100 * 96 / 448. The energy sums over pairs of pixels, of which a
    # smaller picture has fewer: scale brings it to the same size (about 1).
    losses=dict(reg=dict(scale=3e-5, sigma_xy=20)),
    train_cfg=dict(
        # 600 iterations instead of 20,000: the decoder has a larger say
        weights=dict(seg=[(0, 0.0), (120, 0.3)], reg=[(0, 0.0), (120, 0.05)]),
        certain=[
            (0, dict(source='aux_cam', low_thr=0.25, high_thr=0.5)),
            (300, dict(source='cam', low_thr=0.35, high_thr=0.6)),
        ],
        uncertain=[
            (0, dict(source='aux_cam', low_thr=0.25, high_thr=0.7)),
            (300, dict(source='cam', low_thr=0.35, high_thr=0.6)),
        ],
        cam=dict(scales=(1.0, 0.5, 1.5)),
    ),
    test_cfg=dict(
        outputs=('seg', 'cam', 'aux_cam', 'lam', 'cam_lam', 'pseudo'),
        input=dict(squash=None),
        cam=dict(scales=(1.0, 0.5, 1.5)),
    ),
)
