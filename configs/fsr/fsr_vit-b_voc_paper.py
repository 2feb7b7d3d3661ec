# FSR as its paper is printed, wherever that says something else than the released
# code (which `fsr_vit-b_voc.py` follows). Nobody has published numbers of this.
_base_ = ['./fsr_vit-b_voc.py']

model = dict(
    backbone=dict(aggregation=dict(key_mask='paper', attn_scale='width')),  # Eq. 7
    losses=dict(
        unc=dict(reduction='sum'),  # Eq. 8
        seg=dict(type='PixelCrossEntropy'),
    ),
    train_cfg=dict(
        # Eq. 10: no dense energy, everything from the start. PTC reads the auxiliary
        # classifier, so that one is trained as well.
        weights=dict(
            _delete_=True, cls=1.0, cls_aux=1.0, ptc=0.2, seg=0.1, unc=0.1, cer=0.1
        ),
        mask=dict(
            block_size=16,  # single patches
            rounding='floor',  # Eq. 4
            strategy='uncertain',
            source='cam',  # Eq. 2: the classifier on view 1, one scale, token grid
            view='view1',
            scales=None,
            grid='tokens',
        ),
        cam_mode='eval',
        teacher_mode='eval',
        cam=dict(scales=(1.0,)),
    ),
    labeler=dict(low_thr=0.2),
)
