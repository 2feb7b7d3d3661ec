# The plain classifier that EPS is compared with: no background channel, no saliency,
# channel dropout before the classifier. Same pictures and schedule.
_base_ = ['./eps_wr38_voc.py']

model = dict(
    _delete_=True,
    type='WeakSegmentor',
    num_classes={{_base_.num_classes}},
    data_preprocessor={{_base_.model.data_preprocessor}},
    backbone={{_base_.model.backbone}},
    cam_head=dict(
        type='CAMHead',
        in_channels=4096,
        pooling='avg',
        relu=True,
        dropout_ratio=0.5,
        init_cfg=dict(type='Xavier', distribution='uniform', layer='Conv2d'),
    ),
    losses=dict(cls=dict(type='MultiLabelSoftMargin')),
    train_cfg=dict(weights=dict(cls=1.0)),
    test_cfg={{_base_.model.test_cfg}},
)

# no saliency map is read
train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILResizeLongSide', side_range=(256, 512), resample='bicubic'),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='PILPadCrop', crop_size=448),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(
    dataset=dict(side_inputs=dict(saliency=None), pipeline=train_pipeline)
)
