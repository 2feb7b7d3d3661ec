# FSR with ViT-B/16; the values are those of VOC, as in the latest released code.
# num_classes comes from the data set.
model = dict(
    type='FSR',
    data_preprocessor=dict(
        type='WeakDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        non_blocking=True,
    ),
    backbone=dict(
        type='MaskTokenViT',
        arch='base',
        img_size=448,  # the position embedding is stored, and trained, at 28 x 28
        patch_size=16,
        out_indices=(9, 11),  # after block 10 (raw, auxiliary) and after block 12
        drop_path_rate=0.1,
        aggregation=dict(
            depth=2,
            key_mask='none',  # '-inf': first public code; 'paper': Eq. 7 as printed
            layer_scale=None,  # 0.1: first public code
            attn_scale='head',
        ),
    ),  # 'width': Eq. 7
    cam_head=dict(type='CAMHead', in_index=-1, pooling='max', relu=True),
    aux_cam_head=dict(type='CAMHead', in_index=0, pooling='max', relu=True),
    decode_head=dict(
        type='LargeFOVHead',
        channels=512,
        dilation=5,
        init_cfg=dict(type='Kaiming', layer='Conv2d'),
    ),
    proj_head=dict(
        type='ProjectionHead',
        hidden_channels=2048,
        bottleneck_channels=256,
        out_channels=4096,
    ),
    labeler=dict(
        type='TwoThresholdLabeler',
        low_thr=0.25,
        high_thr=0.7,
        refiner=dict(type='PAR', dilations=(1, 2, 4, 8, 12, 24), num_iters=10),
    ),
    losses=dict(
        cls=dict(type='MultiLabelSoftMargin'),
        cls_aux=dict(type='MultiLabelSoftMargin'),
        ptc=dict(type='PatchTokenContrast'),
        # L_u, of the uncertain (masked) patches, and L_c, of the pooled token
        unc=dict(
            type='SelfDistillation',
            channels=4096,
            student_temp=0.1,
            center_momentum=0.9,
            reduction='mean',
        ),
        cer=dict(
            type='SelfDistillation',
            channels=4096,
            student_temp=0.1,
            center_momentum=0.9,
        ),
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
            cls_aux=1.0,
            ptc=0.2,
            unc=0.1,
            cer=0.1,
            seg=[(0, 0.0), (2000, 0.1)],
            reg=[(0, 0.0), (2000, 0.05)],
        ),
        inactive='zero_grad',
        mask=dict(
            block_size=64,
            ratio=0.4,
            rounding='ceil',
            low_thr=0.2,
            high_thr=0.7,
            strategy=[(0, 'random'), (4000, 'uncertain')],
            reduce='nearest',
            source='aux_cam',
            view='view2',
            scales=(1.0, 0.5, 1.5),
            grid='pixels',
        ),
        teacher_temp=dict(start=0.04, end=0.07, iters=2500),
        ema_momentum=dict(start=0.9995, end=1.0, iters=20000),
        cam_mode='train',
        teacher_mode='train',
        local_views=(),
        cam=dict(scales=(1.0, 0.5, 1.5)),
    ),
    test_cfg=dict(
        outputs=('seg', 'cam', 'aux_cam'),
        cam_filter='gt',  # the published CAM numbers need it; the log says so
        use_teacher=False,
        input=dict(squash=(448, 448)),
        seg=dict(scales=(1.0,), mirror=False, pair='sum', fuse='max'),
        cam=dict(scales=(1.0, 0.5, 1.5)),
    ),
)
