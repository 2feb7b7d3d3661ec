# SemFormer's class-aware auto-encoder with a distilled DeiT-B/16; the values are those
# of VOC. num_classes comes from the data set.
model = dict(
    type='CAAE',
    data_preprocessor=dict(
        type='WeakDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        non_blocking=True,
    ),
    backbone=dict(
        type='WSSSViT',
        arch='deit-base',
        img_size=224,
        patch_size=16,
        with_cls_token=False,  # patch tokens only
        out_indices=(11,),
    ),
    semantics=dict(
        type='ClassSemantics', channels=256, reduction='sum'
    ),  # 'mean', 'max': Table 5
    decoder=dict(
        type='ReconstructionDecoder',
        embed_channels=768,
        channels=768,
        num_layers=8,
        num_heads=12,
        patch_size=16,
    ),
    losses=dict(
        # gate=False: semantics learn from absent classes too, as the paper has it
        sim=dict(type='SemanticSimilarity', gate=True),
        recon=dict(type='Reconstruction'),
    ),
    train_cfg=dict(weights=dict(sim=1.0, recon=1.0), inactive='zero_grad'),
)
