# DeepLab-v1 on Wide-ResNet-38, the last stage of SemFormer and others.
# num_classes comes from the data set.
# As run, batch norm computes batch statistics and only its weights and biases stay what
# they were; the usual practice for this backbone, norms at rest and the stem frozen, is
#   backbone=dict(norm_eval=True, frozen_stages=0)
norm_cfg = dict(type='BN', momentum=3e-4, requires_grad=False)
model = dict(
    type='MultiScaleEncoderDecoder',
    data_preprocessor=dict(
        type='WeakDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        zero_padding=('img',),
        non_blocking=True,
    ),
    backbone=dict(
        type='WideResNet38',
        out_indices=(6,),
        dropout=(0.3, 0.5),
        frozen_stages=-1,
        norm_eval=False,
        norm_cfg=norm_cfg,
    ),
    decode_head=dict(
        type='DeepLabV1Head',
        in_channels=4096,
        channels=512,
        dilation=12,
        dropout_ratio=0.5,
        norm_cfg=norm_cfg,
    ),
    train_cfg=dict(),
    test_cfg=dict(scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75), flip=True, fuse='mean'),
)
