# WeCLIP+ with the tiny CLIP of Shapes; the tiny ViT of the other methods stands in for
# DINOv2. The file of encoder and texts: see weclip_vit-t_shapes.py.
_base_ = ['./weclip_vit-t_shapes.py']

model = dict(
    type='WeCLIPPlus',
    backbone=dict(out_indices=(4,), stream_block=-1),
    dino=dict(
        type='WSSSViT',
        arch=dict(embed_dims=96, num_layers=6, num_heads=4, feedforward_channels=384),
        img_size=96,
        patch_size=8,
        out_indices=(5,),
        pretrained='demo/weights/vit-t_shapes.pth',
    ),
    losses=dict(
        dice=dict(type='SoftDiceLoss', count_ignored=True),
        clip=dict(type='BalancedCrossEntropy'),
        dino=dict(type='BalancedCrossEntropy'),
    ),
    train_cfg=dict(
        weights=dict(dice=1.0, clip=0.1, dino=0.1),
        rfm_begin=0,
        # the same share of the iterations as on VOC
        late_label=dict(begin=361, conf_thr=0.75),
    ),
)
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(dino_fusion=dict(lr_mult=10.0)))
)
