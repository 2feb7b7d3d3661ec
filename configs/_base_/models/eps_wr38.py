# EPS with Wide-ResNet-38; the values are those of VOC. num_classes comes from the data
# set.
model = dict(
    type='EPS',
    data_preprocessor=dict(
        type='WeakDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        zero_padding=('img',),  # padded after normalising
        non_blocking=True,
    ),
    backbone=dict(
        type='WideResNet38',
        widths=(64, 128, 256, 512, 1024, 2048, 4096),
        out_indices=(6,),
        dropout=(0.3, 0.5),
        frozen_stages=1,  # conv1a and b2
        norm_eval=True,
        norm_cfg=dict(type='BN', requires_grad=False),
    ),
    cam_head=dict(
        type='CAMHead',
        in_channels=4096,
        pooling='avg',
        background=True,
        init_cfg=dict(type='Xavier', distribution='uniform', layer='Conv2d'),
    ),
    losses=dict(
        cls=dict(type='MultiLabelSoftMargin'),
        sal=dict(type='SaliencyLoss', overlap_thr=0.4, fg_weight=0.5),
    ),
    train_cfg=dict(weights=dict(cls=1.0, sal=1.0)),
    test_cfg=dict(
        outputs=('cam',),
        cam_filter='gt',  # the published CAM numbers need it; the log says so
        cam=dict(
            scales=(0.5, 1.0, 1.5, 2.0), pair='sum', normalise='max', fuse_at='label'
        ),
    ),
)
