# PASCAL VOC 2012 with saliency maps (EPS), train_aug, crops of 448. CAMs are scored on
# the 1,464 images of train. Two GPUs with four images each give the published batch.
_base_ = ['./voc12_448.py']
data_root = 'data/VOCdevkit/VOC2012'

side_inputs = dict(saliency=dict(dir='Saliency', kind='grey'))

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadSideInputs'),
    dict(type='PILResizeLongSide', side_range=(256, 512), resample='bicubic'),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='PILPadCrop', crop_size=448),
    dict(type='PackWeakInputs'),
]
# The network sees images that PIL has resized: a view a scale.
test_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadMask'),
    dict(type='PILMultiScale', scales=(0.5, 1.0, 1.5, 2.0)),
    dict(type='PackWeakInputs'),
]

train_dataloader = dict(
    batch_size=4, dataset=dict(side_inputs=side_inputs, pipeline=train_pipeline)
)
val_dataloader = dict(dataset=dict(split='train', pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(bkg_thr=0.2)
test_evaluator = val_evaluator
