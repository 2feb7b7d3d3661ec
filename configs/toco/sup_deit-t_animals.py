# The upper bound (ToCo, Table 3) on VOC Animals: the same encoder and decoder, trained
# with masks.
_base_ = ['./toco_deit-t_animals.py']

model = dict(
    _delete_=True,
    type='mmseg.EncoderDecoder',
    data_preprocessor={{_base_.model.data_preprocessor}},
    backbone={{_base_.model.backbone}},
    decode_head=dict(
        type='LargeFOVHead',
        in_channels=192,
        channels=192,
        dilation=2,
        num_classes={{_base_.num_classes}},
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
tta_cfg = None

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadMask'),
    dict(type='PILRandomScale', scale_range=(0.5, 2.0)),
    dict(type='PILRandomFlip'),
    dict(type='PILPadCrop', crop_size=224),
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
