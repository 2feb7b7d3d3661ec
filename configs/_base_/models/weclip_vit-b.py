# WeCLIP on CLIP's ViT-B/16; the values are those of VOC. num_classes comes from the
# data set.
model = dict(
    type='WeCLIP',
    data_preprocessor=dict(
        type='WeakDataPreProcessor',
        # ImageNet's statistics, as released: CLIP's own are another
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        non_blocking=True,
    ),
    backbone=dict(
        type='CLIPViT',
        arch='base',
        img_size=224,
        patch_size=16,  # all blocks but the last one are tapped
        attention_blocks=8,
    ),
    # The frozen encoder and the texts: no checkpoint holds them. The file is made by
    # tools/model_converters/clip.py: CLIP-ES's of the same data set does.
    clip=dict(checkpoint='data/pretrained/clip-es_vit-b_voc.pth', num_background=25),
    decode_head=dict(
        type='FusedTokenHead', channels=256, depth=3, num_heads=8, dropout_ratio=0.1
    ),
    refinement=dict(threshold=0.4, last_before=8, last_after=6, distance='signed'),
    affinity_radius=8,
    labeler=dict(
        type='BackgroundPowerLabeler',
        alpha=1.0,
        refiner=dict(
            type='PAR',
            dilations=(1, 2, 4, 8, 12, 24),
            num_iters=20,
            downscale=1,
            whole_levels=False,
        ),
    ),
    losses=dict(seg=dict(type='BalancedCrossEntropy'), aff=dict(type='AffinityLoss')),
    train_cfg=dict(
        weights=dict(seg=1.0, aff=0.1),
        # First iteration whose labels the decoder has a say in. The release's counter
        # of 15,000 counts the pictures of its validations too.
        rfm_begin=9144,
        ignore_padding=False,
        cam=dict(scales=(1.0,), mirror=False, pair='mean', normalise='ready'),
    ),
    test_cfg=dict(
        outputs=('seg', 'cam'),
        cam_filter='gt',  # the published label numbers need it; the log says so
        seg=dict(scales=(1.0,), mirror=False, pair='mean', fuse='mean'),
        cam=dict(
            scales=(1.0,), mirror=False, pair='mean', normalise='ready', fuse_at='label'
        ),
    ),
)
