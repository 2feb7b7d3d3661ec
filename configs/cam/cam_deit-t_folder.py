# The plain CAM on your own images: classification only. A decoder learns from its
# refined CAM on the side, without a gradient into the encoder, so that there are masks.
# tools/misc/new_config.py writes a config on top of this one that fits a folder.
_base_ = ['../toco/toco_deit-t_folder.py']

model = dict(
    _delete_=True,
    type='WeakSegmentor',
    num_classes={{_base_.num_classes}},
    data_preprocessor={{_base_.model.data_preprocessor}},
    backbone={{_base_.model.backbone}},
    cam_head={{_base_.model.cam_head}},
    decode_head={{_base_.model.decode_head}},
    labeler={{_base_.model.labeler}},
    losses=dict(
        cls=dict(type='MultiLabelSoftMargin'), seg=dict(type='BalancedCrossEntropy')
    ),
    train_cfg=dict(
        weights=dict(cls=1.0, seg=[(0, 0.0), (300, 0.1)]),
        inactive='zero_grad',
        detach_decoder=True,
        cam=dict(scales=(1.0, 0.5, 1.5)),
    ),
    test_cfg=dict(
        outputs=('seg', 'cam', 'pseudo'),
        cam_filter='gt',  # as for ToCo; the log says so
        input=dict(squash=None),
        cam=dict(scales=(1.0, 0.5, 1.5)),
    ),
)

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILRandomScale', scale_range=(0.5, 2.0)),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILPadCrop', crop_size=224),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
