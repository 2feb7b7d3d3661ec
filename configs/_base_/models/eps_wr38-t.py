# EPS with a tiny Wide-ResNet-38 for pictures of 96 pixels: minutes on a CPU. All
# stages are trained.
_base_ = ['./eps_wr38.py']

model = dict(
    backbone=dict(
        # tools/misc/pretrain_tiny.py: the stand-in for ImageNet weights
        pretrained='demo/weights/wr38-t_shapes.pth',
        # the last but one is for tools/misc/pretrain_tiny.py
        out_indices=(5, 6),
        widths=(8, 16, 32, 64, 96, 128, 192),
        dropout=(0.1, 0.2),
        frozen_stages=-1,
        norm_eval=False,
        norm_cfg=dict(_delete_=True, type='BN'),
    ),
    cam_head=dict(in_channels=192),
    test_cfg=dict(
        cam=dict(scales=(1.0, 1.5, 2.0)),
    ),
)
