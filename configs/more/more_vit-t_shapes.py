_base_ = [
    '../_base_/models/more_vit-t.py',
    '../_base_/datasets/shapes_96.py',
    '../_base_/schedules/schedule_600.py',
    '../_base_/default_runtime.py',
]

model = dict(num_classes={{_base_.num_classes}})
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(graph=dict(lr_mult=4.0))))

# A larger smallest part than 0.32: objects fill little of these pictures.
train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILRandomResizedCrop', size=96, area=(0.5, 1.0), resample='bicubic'),
    dict(type='PILRandomFlip'),
    dict(
        type='PILColorJitter',
        brightness=0.4,
        contrast=0.4,
        saturation=0.2,
        hue=0.1,
        prob=0.5,
    ),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# `tools/test.py --tta`: the decoder
tta_cfg = dict(
    outputs=('seg',),
    seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='sum', fuse='max'),
)
