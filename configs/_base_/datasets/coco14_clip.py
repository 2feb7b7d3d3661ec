# MS COCO 2014 for networks that aren't trained: train is labelled, maps are scored on
# 5,000 images of it (indices=None takes all 82,081).
_base_ = ['./coco14_448.py']

# As CLIP-ES reads pictures: both sides up to multiples of 16, bicubic.
test_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadMask'),
    dict(type='PILMultiScale', scales=(1.0,), rounding=16),
    dict(type='PackWeakInputs'),
]

val_dataloader = dict(dataset=dict(split='train', indices=5000, pipeline=test_pipeline))
test_dataloader = dict(
    dataset=dict(split='train', indices=5000, pipeline=test_pipeline)
)
