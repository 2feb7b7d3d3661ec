# ToCo on your own images with a small network, for a CPU or any GPU: DeiT-Ti/16 and
# crops of 224. docs/en/get_started.md shows the lines that set folder and classes.
_base_ = [
    '../_base_/models/toco_deit-t.py',
    '../_base_/datasets/folder.py',
    '../_base_/schedules/schedule_2k.py',
    '../_base_/default_runtime.py',
]

model = dict(num_classes={{_base_.num_classes}})

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='ToCoViews', crop_size=224),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(
    batch_size=4, num_workers=2, dataset=dict(pipeline=train_pipeline)
)
