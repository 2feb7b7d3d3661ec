# SemFormer's segmentor with DeiT-S/16; the values are those of VOC. num_classes comes
# from the data set.
model = dict(
    type='SemFormer',
    data_preprocessor=dict(
        type='WeakDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        zero_padding=('img',),  # padded after normalising
        non_blocking=True,
    ),
    backbone=dict(
        type='ClassTokenViT',
        arch='deit-small',
        img_size=448,  # the position embedding is stored, and trained, at 28 x 28
        patch_size=16,
        out_indices=(11,),
        attention_blocks=4,
    ),  # U; 0: CAMs without attention
    cam_head=dict(type='ActivationHead', token_dropout=0.5),
    token_head=dict(type='ClassTokenHead', channels=256),
    # The trained auto-encoder: frozen, needed to train only, not saved with this model.
    caae=dict(
        type='CAAE',
        backbone=dict(
            type='WSSSViT',
            arch='deit-base',
            img_size=224,
            patch_size=16,
            with_cls_token=False,
            out_indices=(11,),
        ),
        semantics=dict(type='ClassSemantics', channels=256, reduction='sum'),
        checkpoint=None,
    ),
    losses=dict(
        # form='paper': as printed, see configs/semformer/README.md
        cf=dict(type='ClassForegroundLoss', form='released'),
        cb=dict(type='ClassBackgroundLoss', form='released'),
        sup=dict(type='ActivationSuppression', form='released'),
        comp=dict(type='ActivationComplementation', form='released'),
        ss=dict(type='SemanticSimilarity'),
    ),
    train_cfg=dict(
        weights=dict(cf=1.0, cb=1.0, sup=0.075, comp=1.0, ss=1.0),
        inactive='zero_grad',
        caae_size=(224, 224),
    ),
    test_cfg=dict(
        outputs=('cam',),
        cam_filter='gt',  # the published CAM numbers need it; the log says so
        # released: up to 16 pixels of stretch are cut at the right and bottom edge;
        # 1: the better geometry
        cam=dict(
            scales=(0.5, 1.0, 1.5, 2.0),
            pair='sum',
            normalise='max',
            fuse_at='label',
            multiple=16,
        ),
    ),
)
