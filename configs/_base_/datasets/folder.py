# Your own images; docs/en/get_started.md shows how to set classes and folder. Layout:
#   data/my_images/train/cat/*.jpg, train/dog/*.jpg, train/cat+dog/*.jpg   or, with
#   ann_file='labels.csv' (rows "name,class,class"), the images in data/my_images/images
#   for validation, data/my_images/val.txt (lines "name class ..."), the images in
#   data/my_images/images and masks of class ids in data/my_images/masks/*.png
# Without masks, train with --cfg-options val_dataloader=None val_evaluator=None
# val_cfg=None and take the last checkpoint.
classes = ('background', 'cat', 'dog')
num_classes = len(classes)
data_root = 'data/my_images'
# Not 8-bit photos, or masks beside photos that are turned by their EXIF: see
# docs/en/pictures.md, e.g. dict(value_range=(0, 12000), bands=(0, 1, 2))
picture = dict()

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='ToCoViews', crop_size=448),
    dict(type='PackWeakInputs'),
]
# At native size: where a method squashes, the model does it.
test_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadMask'),
    dict(type='PackWeakInputs'),
]

train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='SeededInfiniteSampler'),
    dataset=dict(
        type='FolderWeakDataset',
        data_root=data_root,
        picture=picture,
        ann_file='train',
        metainfo=dict(classes=classes),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='FolderWeakDataset',
        data_root=data_root,
        picture=picture,
        ann_file='val.txt',
        metainfo=dict(classes=classes),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='WSSSMetric')
test_evaluator = val_evaluator
