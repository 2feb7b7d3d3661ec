# The network of more_vit-b_voc.py, tested as MoRe is published (76.4 on VOC val): the
# segmentation is the localisation attention map of the classes that the network finds,
# with a dense CRF, and not the decoder's. Train with more_vit-b_voc.py.
_base_ = './more_vit-b_voc.py'

model = dict(
    test_cfg=dict(
        outputs=('seg',),
        main_map='lam',
        # the classification's classes; where there is none, the decoder's
        cam_filter='pred_else_seg',
        lam=dict(scales=(1.0,), mirror=True, fuse_at='input'),
        seg=dict(
            source='maps',
            # background: 1 - the strongest class
            labeler=dict(
                type='BackgroundPowerLabeler',
                alpha=1.0,
                refiner=dict(type='DenseCRF', preset='deeplab'),
            ),
        ),
    )
)

# `tools/test.py --tta`: as the release's test tool, for the test set (75.0): the
# decoder's classes first, more scales.
tta_cfg = dict(
    _delete_=True,
    cam_filter='seg_else_pred',
    lam=dict(scales=(1.0, 0.5, 0.75, 1.25, 1.5, 1.75, 2.0)),
)
