# WeCLIP with the tiny CLIP of Shapes: minutes on a CPU. The file of encoder and texts:
#   python tools/model_converters/clip.py demo/weights/clip-t_shapes.pth \
#       work_dirs/clip-es_vit-t_shapes.pth \
#       --config configs/clip_es/clip-es_vit-t_shapes.py
_base_ = [
    '../_base_/models/weclip_vit-b.py',
    '../_base_/datasets/shapes_96.py',
    '../_base_/schedules/weclip_30k.py',
    '../_base_/default_runtime.py',
]

pretrained = 'demo/weights/clip-t_shapes.pth'  # what that file is made of

model = dict(
    num_classes={{_base_.num_classes}},
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dims=96,
            num_layers=6,
            num_heads=4,
            feedforward_channels=384,
        ),
        img_size=96,
        patch_size=8,
        text_dims=64,
        attention_blocks=4,
    ),
    clip=dict(checkpoint='work_dirs/clip-es_vit-t_shapes.pth', num_background=6),
    decode_head=dict(channels=96, depth=2, num_heads=4),
    refinement=dict(last_before=4, last_after=3),
    affinity_radius=4,
    # lengths that VOC gives for 320 pixels
    labeler=dict(refiner=dict(dilations=(1, 2, 3, 4, 6, 8), num_iters=10)),
    # 600 iterations instead of 30,000: the same share of them
    train_cfg=dict(rfm_begin=180),
    test_cfg=dict(outputs=('seg', 'cam', 'pseudo')),
)

train_cfg = dict(max_iters=600, val_interval=300)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = [
    dict(
        type='PolyWarmupLR',
        warmup_iters=20,
        warmup_ratio=1e-6,
        power=1.0,
        by_epoch=False,
    )
]
train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILRandomScale', scale_range=(0.75, 1.5)),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILPadCrop', crop_size=96),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

tta_cfg = dict(
    outputs=('seg',),
    input=dict(scaling='factor'),
    seg=dict(
        scales=(1.0, 0.75), mirror=True, pair='mean', fuse='mean', fuse_at='logits'
    ),
)
