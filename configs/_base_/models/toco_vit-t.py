# ToCo with a tiny ViT for pictures of 96 pixels: minutes on a CPU.
_base_ = ['./toco_vit-b.py']

model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True, embed_dims=96, num_layers=6, num_heads=4,
            feedforward_channels=384),
        img_size=96,
        patch_size=8,
        out_indices=(3, 5)),
    cam_head=dict(in_channels=96),
    aux_cam_head=dict(in_channels=96),
    decode_head=dict(in_channels=96, channels=96, dilation=2),
    proj_head=dict(
        in_channels=96, hidden_channels=256, bottleneck_channels=64, out_channels=256),
    train_cfg=dict(
        weights=dict(seg=[(0, 0.0), (150, 0.1)], reg=[(0, 0.0), (150, 0.05)]),
        local_crops=dict(crop_num=4, crop_size=32)),
    test_cfg=dict(outputs=('seg', 'cam', 'aux_cam', 'pseudo'), squash=None))
