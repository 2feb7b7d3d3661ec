# AFA with a tiny MiT for pictures of 96 pixels: minutes on a CPU. The last three stages
# stay at 1/8, so that a picture has 12 x 12 tokens.
_base_ = ['./afa_mit-b1.py']

model = dict(
    backbone=dict(
        embed_dims=(24, 48, 96, 96),
        num_heads=(1, 2, 4, 4),
        strides=(4, 2, 1, 1),
        sr_ratios=(4, 2, 2, 1),
        drop_path_rate=0.0,
        freeze_norm=False,
        # tools/misc/pretrain_tiny.py: the stand-in for ImageNet weights
        pretrained='demo/weights/mit-t_shapes.pth',
    ),
    # The published start (deviation 0.58) saturates the sigmoid of these logits.
    affinity_head=dict(
        num_maps=8, init_cfg=dict(type='Normal', layer='Conv2d', std=0.02)
    ),
    # tokens: 8 of 32 at 512 pixels
    affinity_radius=3,
    decode_head=dict(channels=96, norm_cfg=dict(type='BN')),
    # 48 pixels, after the halving, instead of 256
    labeler=dict(refiner=dict(dilations=(1, 2, 3, 4, 6, 8))),
    # sigma_xy and scale as for ToCo on Shapes
    losses=dict(reg=dict(scale=3e-5, sigma_xy=20)),
    train_cfg=dict(
        # 600 iterations instead of 20,000: the decoder has a larger say
        weights=dict(
            aff=[(0, 0.0), (120, 0.1)],
            seg=[(0, 0.0), (120, 0.3)],
            reg=[(0, 0.0), (120, 0.05)],
        ),
        # So early the affinity doesn't tell objects apart yet: propagated CAMs fall
        # below the thresholds.
        seg_source='cam',
    ),
    test_cfg=dict(
        pseudo=dict(source='cam'),
    ),
)
