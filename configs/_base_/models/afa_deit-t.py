# AFA with DeiT-Ti/16 for crops of 224: the affinity comes from the attention of a plain
# ViT, the decoder is ToCo's. Lengths that VOC gives for 512 pixels are halved.
_base_ = ['./afa_mit-b1.py']

model = dict(
    backbone=dict(
        _delete_=True,
        type='QueryKeyViT',
        arch='deit-tiny',
        img_size=224,
        patch_size=16,
        out_indices=(11,),
        freeze_pos_embed=True,
        attention_blocks=2,
        # DeiT-Ti/16, ImageNet-1k, not distilled (hash a1311bcf)
        pretrained=(
            'https://dl.fbaipublicfiles.com/deit/deit_tiny_patch16_224-a1311bcf.pth'
        ),
    ),
    # The published start (deviation 0.58) saturates the sigmoid of these logits.
    affinity_head=dict(
        num_maps=6, init_cfg=dict(type='Normal', layer='Conv2d', std=0.02)
    ),
    # tokens: 8 of 32 at 512 pixels
    affinity_radius=4,
    decode_head=dict(
        _delete_=True, type='LargeFOVHead', channels=192, dilation=2
    ),
    # 112 pixels, after the halving, instead of 256
    labeler=dict(refiner=dict(dilations=(1, 2, 3, 4, 6, 12))),
    # neither stochastic depth nor a decoder with norms
    train_cfg=dict(stochastic_cams=False, norm_from_cams=False),
)  # fmt: skip
