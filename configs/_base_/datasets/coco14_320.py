# MS COCO 2014 in one view of 320 (WeCLIP): otherwise as coco14_512. One GPU.
_base_ = ['./coco14_512.py']

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILRandomScale', scale_range=(0.5, 2.0)),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILPadCrop', crop_size=320),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))
