# PASCAL VOC 2012 in one view of 512 (AFA): scale, mirror, pad black and crop with box,
# no colours. Otherwise as voc12_448.
_base_ = ['./voc12_448.py']

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILRandomScale', scale_range=(0.5, 2.0)),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILPadCrop', crop_size=512),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
