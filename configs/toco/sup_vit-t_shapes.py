# The upper bound (ToCo, Table 3): the same encoder and decoder, trained with masks.
_base_ = [
    '../_base_/models/toco_vit-t.py',
    '../_base_/datasets/shapes_96.py',
    '../_base_/schedules/schedule_600.py',
    '../_base_/default_runtime.py',
]

model = dict(
    _delete_=True,
    type='mmseg.EncoderDecoder',
    data_preprocessor={{_base_.model.data_preprocessor}},
    backbone={{_base_.model.backbone}},
    decode_head=dict(
        type='LargeFOVHead',
        in_channels=96,
        channels=96,
        dilation=2,
        num_classes={{_base_.num_classes}},
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadMask'),
    dict(type='PILRandomScale', scale_range=(0.75, 1.5)),
    dict(type='PILRandomFlip'),
    dict(type='PILPadCrop', crop_size=96),
    dict(
        type='PILColorJitter',
        brightness=0.4,
        contrast=0.4,
        saturation=0.2,
        hue=0.1,
        prob=0.8,
    ),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(dataset=dict(with_masks=True, pipeline=train_pipeline))
# The labels of the pixels are known here: no CAM to look at, no shares of labels.
custom_hooks = [
    dict(type='SetupCheckHook'),
    dict(type='IterSeedHook'),
    dict(type='LogTransferHook'),
]
