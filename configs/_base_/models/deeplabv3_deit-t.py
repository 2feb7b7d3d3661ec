# mmseg's EncoderDecoder and DeepLabV3 head on DeiT-Ti/16, for crops of 224.
_base_ = ['./deeplabv3_vit-t.py']

model = dict(
    backbone=dict(
        arch='deit-tiny',
        img_size=224,
        patch_size=16,
        out_indices=(9, 11),
        # DeiT-Ti/16, ImageNet-1k, not distilled (hash a1311bcf)
        pretrained=(
            'https://dl.fbaipublicfiles.com/deit/deit_tiny_patch16_224-a1311bcf.pth'
        ),
    ),
    decode_head=dict(in_channels=192, channels=192),
)
