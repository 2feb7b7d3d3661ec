# MoRe on your own images with a small network; tools/misc/new_config.py writes a config
# on top of this one that fits a folder.
_base_ = [
    '../_base_/models/more_deit-t.py',
    '../_base_/datasets/folder.py',
    '../_base_/schedules/schedule_2k.py',
    '../_base_/default_runtime.py',
]

# the loss `une` looks three tokens away from the border of a crop
least_crop = 128
model = dict(num_classes={{_base_.num_classes}})
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(graph=dict(lr_mult=10.0))))

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILRandomResizedCrop', size=224, area=(0.32, 1.0), resample='bicubic'),
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
train_dataloader = dict(
    batch_size=4, num_workers=2, dataset=dict(pipeline=train_pipeline)
)
