_base_ = [
    '../_base_/models/seco_vit-t.py',
    '../_base_/datasets/shapes_96.py',
    '../_base_/schedules/schedule_600.py',
    '../_base_/default_runtime.py',
]

model = dict(num_classes={{_base_.num_classes}})

# Milder scales and blur than on photos, as the data set's own views; view 1 has its own
# colours, and the teacher's crops show the same place.
train_pipeline = [
    dict(type='LoadPicture'),
    dict(
        type='ToCoViews',
        crop_size=96,
        scale_range=(0.75, 1.5),
        view2_area=(0.5, 1.0),
        view1=dict(flip_prob=0, jitter_prob=0, grey_prob=0, blur_prob=0),
        view2=dict(blur_prob=0.1, blur_radius=(0.1, 0.8)),
        local=dict(blur_prob=0.2, blur_radius=(0.1, 0.8)),
        independent_local_flip=False,
    ),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# `tools/test.py --tta`
tta_cfg = dict(
    outputs=('seg',),
    seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='sum', fuse='max'),
)
