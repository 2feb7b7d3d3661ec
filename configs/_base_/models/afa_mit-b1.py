# AFA with MiT-B1; the values are those of VOC. num_classes comes from the data set.
model = dict(
    type='AFA',
    data_preprocessor=dict(
        type='WeakDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        non_blocking=True,
    ),
    backbone=dict(
        type='WSSSMiT',
        embed_dims=(64, 128, 320, 512),
        num_layers=(2, 2, 2, 2),
        num_heads=(1, 2, 5, 8),
        strides=(4, 2, 2, 1),  # the last stage stays at 1/16
        sr_ratios=(8, 4, 2, 1),
        drop_path_rate=0.1,
        attention_blocks=2,
        freeze_norm=True,
    ),
    cam_head=dict(type='CAMHead', in_index=-1, pooling='max'),
    affinity_head=dict(type='AffinityHead', num_maps=16),
    affinity_radius=8,
    decode_head=dict(
        type='MLPHead',
        channels=256,
        dropout_ratio=0.1,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
    ),
    labeler=dict(
        type='TwoThresholdLabeler',
        low_thr=0.35,
        high_thr=0.55,
        refiner=dict(type='PAR', dilations=(1, 2, 4, 8, 12, 24), num_iters=10),
    ),
    losses=dict(
        cls=dict(type='MultiLabelSoftMargin'),
        aff=dict(type='AffinityLoss'),
        seg=dict(type='BalancedCrossEntropy'),
        reg=dict(
            type='DenseEnergyLoss',
            scale=1e-7,
            sigma_rgb=15,
            sigma_xy=100,
            scale_factor=0.5,
        ),
    ),
    train_cfg=dict(
        # term: weight, or [(first iteration, weight), ...]
        weights=dict(
            cls=1.0,
            aff=[(0, 0.0), (2001, 0.1)],
            seg=[(0, 0.0), (2001, 0.1)],
            reg=[(0, 0.0), (2001, 0.01)],
        ),
        inactive='zero_grad',
        seg_source=[(0, 'cam'), (6001, 'propagated')],
        aff_source='cam',
        stochastic_cams=True,
        norm_from_cams=True,
        cam=dict(scales=(1.0, 0.5, 1.5)),
    ),
    test_cfg=dict(
        outputs=('seg', 'cam', 'pseudo'),
        cam_filter='gt',  # the published CAM numbers need it; the log says so
        seg=dict(
            scales=(1.0,), mirror=False, pair='mean', fuse='max', fuse_at='logits'
        ),
        cam=dict(scales=(1.0, 0.5, 1.5)),
        pseudo=dict(source='propagated'),
    ),
)
