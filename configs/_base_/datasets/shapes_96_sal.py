# Shapes with its noisy saliency maps (EPS): one view, colours, padding 0 at the end.
_base_ = ['./shapes_96.py']

side_inputs = dict(saliency=dict(dir='Saliency', kind='grey'))

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadSideInputs'),
    # the textures bear milder scales than photos do
    dict(type='PILResizeLongSide', side_range=(80, 128), resample='bicubic'),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='PILPadCrop', crop_size=96),
    dict(type='PackWeakInputs'),
]
# The network sees images that PIL has resized: a view a scale.
test_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadMask'),
    dict(type='PILMultiScale', scales=(1.0, 1.5, 2.0)),
    dict(type='PackWeakInputs'),
]

train_dataloader = dict(dataset=dict(side_inputs=side_inputs, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

val_evaluator = dict(bkg_thr=0.2)
test_evaluator = val_evaluator
