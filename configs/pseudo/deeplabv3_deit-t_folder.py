# A stock segmenter on pseudo masks of your own images; tools/misc/new_config.py with
# --method pseudo writes a config on top of this one that fits a folder. Pictures are
# read as for the weak methods, so that those of several bands fit too.
_base_ = [
    '../_base_/models/deeplabv3_deit-t.py',
    '../_base_/datasets/folder.py',
    '../_base_/schedules/schedule_2k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    type='MultiScaleEncoderDecoder',
    data_preprocessor=dict(
        _delete_=True,
        type='WeakDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
    ),
    # as in the base, but of the backbone's width, whichever that is
    decode_head=dict(
        _delete_=True,
        type='mmseg.ASPPHead',
        in_index=-1,
        channels=192,
        dilations=(1, 2, 3, 4),
        dropout_ratio=0.1,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        align_corners=False,
        loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True),
        num_classes={{_base_.num_classes}},
    ),
)

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadSideInputs'),
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
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    dataset=dict(
        pipeline=train_pipeline,
        # of tools/generate_pseudo_labels.py
        side_inputs=dict(
            mask=dict(dir='work_dirs/pseudo_masks/mask', root='.', kind='ids')
        ),
    ),
)
# Trained on pixels: no CAM to look at, no shares of labels.
custom_hooks = [
    dict(type='SetupCheckHook'),
    dict(type='IterSeedHook'),
    dict(type='LogTransferHook'),
]
