# SeCo on your own images with a small network; tools/misc/new_config.py writes a config
# on top of this one that fits a folder.
_base_ = [
    '../_base_/models/seco_deit-t.py',
    '../_base_/datasets/folder.py',
    '../_base_/schedules/schedule_2k.py',
    '../_base_/default_runtime.py',
]

model = dict(num_classes={{_base_.num_classes}})

train_pipeline = [
    dict(type='LoadPicture'),
    dict(
        type='ToCoViews',
        crop_size=224,
        view1=dict(flip_prob=0, jitter_prob=0, grey_prob=0, blur_prob=0),
    ),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(
    batch_size=4, num_workers=2, dataset=dict(pipeline=train_pipeline)
)
