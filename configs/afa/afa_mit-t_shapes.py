_base_ = [
    '../_base_/models/afa_mit-t.py',
    '../_base_/datasets/shapes_96.py',
    '../_base_/schedules/schedule_600.py',
    '../_base_/default_runtime.py',
]

model = dict(num_classes={{_base_.num_classes}})

# One view, no colours; the scales are milder for the sake of the textures.
train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILRandomScale', scale_range=(0.75, 1.5)),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILPadCrop', crop_size=96),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# The encoder learns slower than a ViT here, the classifier faster.
optim_wrapper = dict(
    optimizer=dict(lr=4e-4),
    paramwise_cfg=dict(
        custom_keys=dict(
            cam_head=dict(lr_mult=40.0),
            affinity_head=dict(lr_mult=6.0),
            decode_head=dict(lr_mult=6.0),
        )
    ),
)

# `tools/test.py --tta`: mean of the mirrored pair, maximum over scales.
tta_cfg = dict(
    outputs=('seg',),
    input=dict(long_side=96),
    seg=dict(
        scales=(1.0, 0.75, 1.25), mirror=True, pair='mean', fuse='max', fuse_at='logits'
    ),
)
