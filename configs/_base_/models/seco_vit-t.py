# SeCo with a tiny ViT for pictures of 96 pixels: minutes on a CPU. Lengths that VOC
# gives for 448 pixels are scaled to 96.
_base_ = ['./seco_vit-b.py']

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
    decode_head=dict(dilations=(1, 2, 3, 4)),
    proj_head=dict(hidden_channels=256),
    # 12 steps of 8 pictures with 10 views
    memory=dict(size=960),
    # 48 pixels, after the halving, instead of 224
    labeler=dict(refiner=dict(dilations=(1, 2, 3, 4, 6, 8))),
    # sigma_xy: 100 * 96 / 448. The energy sums over pairs of pixels, of which a
    # smaller picture has fewer: scale brings it to the same size (about 1).
    losses=dict(reg=dict(scale=3e-5, sigma_xy=20)),
    train_cfg=dict(
        # 600 iterations instead of 20,000: the decoder has a larger say
        weights=dict(
            lil=[(0, 0.0), (30, 0.5)],
            lig=[(0, 0.0), (30, 0.5)],
            seg=[(0, 0.0), (120, 0.3)],
            reg=[(0, 0.0), (120, 0.05)],
        ),
        # the teacher follows faster, for it has less time
        ema_momentum=0.99,
        update_prototypes=[(0, False), (18, True)],
        roi_source=[(0, 'aux_cam'), (300, 'cam')],
        scale_token_box=True,
        local_crops=dict(crop_num=8, crop_size=24),
        cam=dict(scales=(1.0, 0.5, 1.5)),
    ),
    test_cfg=dict(
        outputs=('seg', 'cam', 'aux_cam', 'pseudo'),
        input=dict(squash=None),
        cam=dict(scales=(1.0, 0.5, 1.5)),
    ),
)
