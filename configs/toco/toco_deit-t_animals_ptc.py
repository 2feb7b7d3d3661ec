# Ablation (ToCo, Table 4): classification and PTC.
_base_ = ['./toco_deit-t_animals_ctc.py']

model = dict(
    proj_head=None,
    train_cfg=dict(
        weights=dict(
            _delete_=True,
            cls=1.0,
            cls_aux=0.1,
            ptc={{_base_.model.train_cfg.weights.ptc}},
        )
    ),
)
