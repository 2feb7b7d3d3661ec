# MoRe with ViT-B/16; the values are those of VOC. num_classes comes from the data set,
# and the number of class tokens from it.
model = dict(
    type='MoRe',
    data_preprocessor=dict(
        type='WeakDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        non_blocking=True,
    ),
    backbone=dict(
        type='TokenPerClassViT',
        arch='base',
        img_size=224,
        patch_size=16,
        out_indices=(9, 11),  # after block 10 (raw, auxiliary) and after block 12
        spare_tokens=4,
    ),
    graph=dict(type='CategoryGraph', score='sums'),
    lam='tokens',
    cam_head=dict(type='CAMHead', in_index=-1, pooling='max'),
    aux_cam_head=dict(type='CAMHead', in_index=0, pooling='max'),
    decode_head=dict(type='LargeFOVHead', channels=512, dilation=5),
    labeler=dict(
        type='TwoThresholdLabeler',
        low_thr=0.25,
        high_thr=0.7,
        refiner=dict(type='PAR', dilations=(1, 2, 4, 8, 12, 24), num_iters=10),
    ),
    losses=dict(
        cls=dict(type='MultiLabelSoftMargin'),
        cls_aux=dict(type='MultiLabelSoftMargin'),
        mct=dict(type='ClassTokenSeparation', temperature=0.07, classify=False),
        ptc=dict(type='PatchTokenContrast'),
        cle=dict(type='CertainTokenLoss', temperature=0.5),
        une=dict(type='UncertainTokenLoss', taken='corner'),
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
            mct=1.0,
            ptc=0.3,
            cle=0.2,
            une=0.1,
            seg=[(0, 0.0), (2001, 0.12)],
            reg=[(0, 0.0), (2001, 0.05)],
        ),
        inactive='zero_grad',
        # which CAM labels the tokens of cle and of une, and its thresholds
        certain=[
            (0, dict(source='aux_cam', low_thr=0.25, high_thr=0.5)),
            (10001, dict(source='cam', low_thr=0.35, high_thr=0.6)),
        ],
        uncertain=[
            (0, dict(source='aux_cam', low_thr=0.25, high_thr=0.7)),
            (10001, dict(source='cam', low_thr=0.35, high_thr=0.6)),
        ],
        scale_token_box=False,
        cam=dict(scales=(1.0, 0.5, 0.75, 1.5)),
    ),
    test_cfg=dict(
        outputs=('seg', 'cam', 'aux_cam', 'lam', 'cam_lam'),
        cam_filter='gt',  # the published CAM numbers need it; the log says so
        input=dict(squash=(448, 448)),
        seg=dict(scales=(1.0,), mirror=False, pair='sum', fuse='max'),
        cam=dict(scales=(1.0, 0.5, 0.75, 1.5)),
        lam=dict(scales=(1.0,), mirror=False, fuse_at='label'),
    ),
)
