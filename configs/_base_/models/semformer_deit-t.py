# SemFormer's segmentor with a tiny ViT for pictures of 96 pixels: minutes on a CPU.
_base_ = ['./semformer_deit-s.py']

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
        attention_blocks=2,  # of 6 blocks, as 4 of 12
        # tools/misc/pretrain_tiny.py: the stand-in for ImageNet weights
        pretrained='demo/weights/vit-t_shapes.pth',
    ),
    token_head=dict(channels=32),
    caae=dict(
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
        ),
        semantics=dict(channels=32),
    ),
    # Not halved as on VOC: at 48 pixels textures of 6 pixels' period would drown.
    train_cfg=dict(caae_size=(96, 96)),
    # scale 2 would be two thirds of the time
    test_cfg=dict(
        cam=dict(multiple=1, scales=(0.5, 1.0, 1.5)),
    ),
)
