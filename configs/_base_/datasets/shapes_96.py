# Shapes, drawn by tools/dataset_converters/shapes.py: pictures of 96 pixels, for
# experiments of minutes on a CPU.
num_classes = 7  # background included
data_root = 'data/shapes'

train_pipeline = [
    dict(type='LoadPicture'),
    # Textures of 6 pixels' period don't survive ToCo's blur (radius up to 2) and
    # scales (0.5 to 2), so both are milder. Boxes and local crops follow the flips.
    dict(
        type='ToCoViews',
        crop_size=96,
        scale_range=(0.75, 1.5),
        view2_area=(0.5, 1.0),
        view1=dict(blur_prob=0.2, blur_radius=(0.1, 0.8)),
        view2=dict(blur_prob=0.1, blur_radius=(0.1, 0.8)),
        local=dict(blur_prob=0.2, blur_radius=(0.1, 0.8)),
        mirror_box=True,
        independent_local_flip=False,
    ),
    dict(type='PackWeakInputs'),
]
# At native size: where a method squashes, the model does it.
test_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadMask'),
    dict(type='PackWeakInputs'),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='SeededInfiniteSampler'),
    dataset=dict(
        type='ShapesDataset',
        data_root=data_root,
        split='train',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ShapesDataset',
        data_root=data_root,
        split='val',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ShapesDataset',
        data_root=data_root,
        split='test',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)

val_evaluator = dict(type='WSSSMetric')
test_evaluator = val_evaluator
