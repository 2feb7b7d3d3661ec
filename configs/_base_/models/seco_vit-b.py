# SeCo with ViT-B/16; the values are those of VOC. num_classes comes from the data set.
model = dict(
    type='SeCo',
    data_preprocessor=dict(
        type='WeakDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        non_blocking=True,
    ),
    backbone=dict(
        type='WSSSViT',
        arch='base',
        img_size=224,
        patch_size=16,
        out_indices=(9, 11),  # after block 10 (raw, auxiliary) and after block 12
        freeze_pos_embed=True,
    ),
    cam_head=dict(type='CAMHead', in_index=-1, pooling='max'),
    aux_cam_head=dict(type='CAMHead', in_index=0, pooling='max'),
    decode_head=dict(type='DeepLabV2Head', dilations=(6, 12, 18, 24)),
    # ends with unit vectors as wide as the class token
    proj_head=dict(type='ProjectionHead', hidden_channels=2048),
    # 96 steps of 4 pictures with 2 global views and 10 crops
    memory=dict(type='MemoryBank', size=4608, momentum=0.9),
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
        # the terms lil and lig
        contrast=dict(
            type='TagContrast',
            lil=dict(
                temperature=0.08,
                denominator='others',
                normaliser='counted',
                background_pairs=True,
                noise_ratio=10.0,
            ),
            lig=dict(temperature=0.1, categories='tagged'),
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
            ptc=0.3,
            lil=[(0, 0.0), (1001, 0.5)],
            lig=[(0, 0.0), (1001, 0.5)],
            seg=[(0, 0.0), (2001, 0.12)],
            reg=[(0, 0.0), (2001, 0.05)],
        ),
        inactive='zero_grad',
        # A term of weight 0 isn't computed. What it will read moves before that all the
        # same: the teacher always, the queue from iteration 0, prototypes from 600.
        # [(0, False), (906, True)] for the queue trains the same network for less: at
        # iteration 1001 it holds the keys of the last 96.
        ema_momentum=0.999,
        update_queue=True,
        update_prototypes=[(0, False), (600, True)],
        # which CAM gives the tags, and which the pseudo label
        roi_source=[(0, 'aux_cam'), (10000, 'cam')],
        pseudo_source='cam',
        local_crops=dict(
            crop_num=10,
            crop_size=64,
            threshold=0.2,
            tag_weight='id',
            draw='fixed',
            single_class='cam',
            empty_tag=1,
        ),
        queue_init='columns',
        global_keys='student',
        current_keys='twice',
        prototype_tokens='raw',
        scale_token_box=False,
        cam=dict(scales=(1.0, 0.5, 0.75, 1.5)),
    ),
    test_cfg=dict(
        outputs=('seg', 'cam', 'aux_cam'),
        cam_filter='gt',  # the published CAM numbers need it; the log says so
        input=dict(squash=(448, 448)),
        seg=dict(scales=(1.0,), mirror=False, pair='sum', fuse='max'),
        cam=dict(scales=(1.0, 0.5, 0.75, 1.5)),
    ),
)
