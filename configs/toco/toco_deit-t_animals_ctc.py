# Ablation (ToCo, Table 4): classification, PTC and CTC, no segmentation.
_base_ = ['./toco_deit-t_animals.py']

# no decoder, no segmentation to be tested
tta_cfg = None

model = dict(
    decode_head=None,
    train_cfg=dict(
        weights=dict(
            _delete_=True,
            cls=1.0,
            cls_aux=0.1,
            ptc={{_base_.model.train_cfg.weights.ptc}},
            ctc={{_base_.model.train_cfg.weights.ctc}},
        )
    ),
    test_cfg=dict(outputs=('cam', 'aux_cam', 'pseudo')),
)
