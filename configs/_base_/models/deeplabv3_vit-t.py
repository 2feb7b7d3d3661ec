# mmseg's EncoderDecoder and DeepLabV3 head on the tiny ViT, for pictures of 96 pixels.
model = dict(
    type='mmseg.EncoderDecoder',
    data_preprocessor=dict(
        type='mmseg.SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type='WSSSViT',
        arch=dict(embed_dims=96, num_layers=6, num_heads=4, feedforward_channels=384),
        img_size=96,
        patch_size=8,
        out_indices=(3, 5),
        freeze_pos_embed=True,
        pretrained='demo/weights/vit-t_shapes.pth',
    ),
    decode_head=dict(
        type='mmseg.ASPPHead',
        in_channels=96,
        in_index=-1,
        channels=96,
        dilations=(1, 2, 3, 4),
        dropout_ratio=0.1,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        align_corners=False,
        loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
