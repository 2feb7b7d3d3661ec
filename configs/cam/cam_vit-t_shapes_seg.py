# L_cls and L_seg on the refined CAM of the network itself, whose gradient shapes the
# encoder too: self-training without PTC and CTC. Otherwise as ToCo.
_base_ = [
    '../_base_/models/toco_vit-t.py',
    '../_base_/datasets/shapes_96.py',
    '../_base_/schedules/schedule_600.py',
    '../_base_/default_runtime.py',
]

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
        weights=dict(cls=1.0, seg=[(0, 0.0), (120, 0.3)]),
        inactive='zero_grad',
        cam=dict(scales=(1.0, 0.5, 1.5)),
    ),
    test_cfg=dict(
        outputs=('seg', 'cam', 'pseudo'),
        cam_filter='gt',  # as for ToCo; the log says so
        input=dict(squash=None),
        cam=dict(scales=(1.0, 0.5, 1.5)),
    ),
)

# `tools/test.py --tta`
tta_cfg = dict(
    outputs=('seg',),
    seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='sum', fuse='max'),
)
