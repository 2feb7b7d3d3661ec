# Ablation (ToCo, Table 4): everything but the regulariser L_reg.
_base_ = ['./toco_vit-t_shapes.py']

model = dict(
    train_cfg=dict(
        weights=dict(
            _delete_=True,
            cls=1.0,
            cls_aux=1.0,
            ptc=0.2,
            ctc=0.5,
            seg=[(0, 0.0), (120, 0.3)],
        )
    )
)
