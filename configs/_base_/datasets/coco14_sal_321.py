# MS COCO 2014 with saliency maps (EPS), crops of 321. CAMs are scored on images of
# train. Two GPUs with eight images each give the published batch of 16.
_base_ = ['./coco14_448.py']
data_root = 'data/coco14'

side_inputs = dict(saliency=dict(dir='Saliency/train2014', kind='grey'))

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadSideInputs'),
    dict(type='PILResizeLongSide', side_range=(256, 448), resample='bicubic'),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='PILPadCrop', crop_size=321),
    dict(type='PackWeakInputs'),
]
test_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadMask'),
    dict(type='PILMultiScale', scales=(0.5, 1.0, 1.5, 2.0)),
    dict(type='PackWeakInputs'),
]

train_dataloader = dict(
    batch_size=8, dataset=dict(side_inputs=side_inputs, pipeline=train_pipeline)
)
# 5000 of the 82,081 while training and in the test; indices=None takes all.
val_dataloader = dict(dataset=dict(split='train', indices=5000, pipeline=test_pipeline))
test_dataloader = dict(
    dataset=dict(split='train', indices=5000, pipeline=test_pipeline)
)

val_evaluator = dict(bkg_thr=0.2)
test_evaluator = val_evaluator
