# SemFormer's auto-encoder with a tiny ViT for pictures of 96 pixels: minutes on a CPU.
_base_ = ['./caae_deit-b-dist.py']

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
        out_indices=(5,),
        # tools/misc/pretrain_tiny.py: the stand-in for ImageNet weights
        pretrained='demo/weights/vit-t_shapes.pth',
    ),
    semantics=dict(channels=32),
    decoder=dict(
        embed_channels=96, channels=96, num_layers=2, num_heads=4, patch_size=8
    ),
)
