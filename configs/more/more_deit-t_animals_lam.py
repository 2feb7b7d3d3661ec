# The network of more_deit-t_animals.py, tested as MoRe is published: see
# more_vit-b_voc_lam.py. Train with more_deit-t_animals.py.
_base_ = './more_deit-t_animals.py'

model = dict(
    test_cfg=dict(
        outputs=('seg',),
        main_map='lam',
        cam_filter='pred_else_seg',
        lam=dict(scales=(1.0,), mirror=True, fuse_at='input'),
        seg=dict(
            source='maps',
            labeler=dict(
                type='BackgroundPowerLabeler',
                alpha=1.0,
                refiner=dict(type='DenseCRF', preset='deeplab'),
            ),
        ),
    )
)

# `tools/test.py --tta`
tta_cfg = dict(
    _delete_=True,
    cam_filter='seg_else_pred',
    lam=dict(scales=(1.0, 0.5, 0.75, 1.25, 1.5, 1.75, 2.0)),
)
