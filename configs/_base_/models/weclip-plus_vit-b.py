# WeCLIP+ on CLIP's ViT-B/16 and DINOv2's ViT-S/14; the values are those of VOC.
# num_classes comes from the data set.
_base_ = ['./weclip_vit-b.py']

model = dict(
    type='WeCLIPPlus',
    backbone=dict(
        out_indices=(10,),  # after block 11
        attention_blocks=6,
        stream_block=-2,  # released for VOC: block 11 is left out of the class maps
    ),
    dino=dict(
        type='DINOv2ViT',
        arch='dinov2-s',
        # the public file as it is, a URL or a path
        pretrained=(
            'https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/'
            'dinov2_vits14_pretrain.pth'
        ),
    ),
    # released for VOC: maps are carried on from everywhere
    refinement=dict(threshold=None, last_before=6, last_after=6),
    losses=dict(
        dice=dict(type='SoftDiceLoss', count_ignored=True),
        clip=dict(type='BalancedCrossEntropy'),
        dino=dict(type='BalancedCrossEntropy'),
    ),
    train_cfg=dict(
        weights=dict(dice=1.0, clip=0.1, dino=0.1),
        rfm_begin=0,
        late_label=dict(begin=18001, conf_thr=0.75),
    ),
)
