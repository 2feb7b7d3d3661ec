# DeepLab-v2 on ResNet-101, the last stage of EPS, SMAF and others. num_classes comes
# from the data set. Channels are B, G, R, not divided, as weights of Caffe want them.
model = dict(
    type='MultiScaleEncoderDecoder',
    data_preprocessor=dict(
        type='WeakDataPreProcessor',
        mean=[104.008, 116.669, 122.675],
        std=[1.0, 1.0, 1.0],
        zero_padding=('img',),
        non_blocking=True,
    ),
    backbone=dict(type='DeepLabResNet', depth=101, out_indices=(3,)),
    decode_head=dict(
        type='DeepLabV2Head', in_channels=2048, in_index=0, dilations=(6, 12, 18, 24)
    ),
    train_cfg=dict(scales=(1.0, 0.5, 0.75)),
    test_cfg=dict(scales=(1.0, 0.5, 0.75), flip=False, fuse='max'),
)
