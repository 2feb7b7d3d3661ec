# The plain CAM on VOC Animals: classification only, on the crops that ToCo sees.
_base_ = ['../toco/toco_deit-t_animals.py']

model = dict(
    _delete_=True,
    type='WeakSegmentor',
    num_classes={{_base_.num_classes}},
    data_preprocessor={{_base_.model.data_preprocessor}},
    backbone={{_base_.model.backbone}},
    cam_head={{_base_.model.cam_head}},
    labeler={{_base_.model.labeler}},
    losses=dict(cls=dict(type='MultiLabelSoftMargin')),
    train_cfg=dict(weights=dict(cls=1.0)),
    test_cfg=dict(
        outputs=('cam', 'pseudo'),
        cam_filter='gt',  # as for ToCo; the log says so
        cam=dict(scales=(1.0, 0.5, 1.5)),
    ),
)

# no decoder, no segmentation to be tested
tta_cfg = None
