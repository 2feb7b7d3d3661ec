_base_ = [
    '../_base_/models/afa_deit-t.py',
    '../_base_/datasets/voc_animals_224.py',
    '../_base_/schedules/schedule_3k.py',
    '../_base_/default_runtime.py',
]

# As for ToCo: two thirds of the training are classification.
start = 2000
model = dict(
    num_classes={{_base_.num_classes}},
    train_cfg=dict(
        weights=dict(
            _delete_=True,
            cls=1.0,
            aff=[(0, 0.0), (start, 0.1)],
            seg=[(0, 0.0), (start, 0.1)],
        ),
        # The affinity has learnt for too short a time to spread a label.
        seg_source='cam',
        # scale 1.5 would be half of a step
        cam=dict(scales=(1.0, 0.5)),
    ),
    test_cfg=dict(pseudo=dict(source='cam')),
)

# One view, no colours.
train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILRandomScale', scale_range=(0.5, 2.0)),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILPadCrop', crop_size=224),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(affinity_head=dict(lr_mult=10.0)))
)

# `tools/test.py --tta`
tta_cfg = dict(
    outputs=('seg',),
    seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='sum', fuse='max'),
)
