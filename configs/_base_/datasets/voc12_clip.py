# PASCAL VOC 2012 for networks that aren't trained: train_aug is labelled, maps are
# scored on the 1,464 images of train.
_base_ = ['./voc12_448.py']

# As CLIP-ES reads pictures: both sides up to multiples of 16, bicubic.
test_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadMask'),
    dict(type='PILMultiScale', scales=(1.0,), rounding=16),
    dict(type='PackWeakInputs'),
]

val_dataloader = dict(dataset=dict(split='train', pipeline=test_pipeline))
test_dataloader = val_dataloader
