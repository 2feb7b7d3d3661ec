# Ablation (ToCo, Table 4): classification and PTC.
_base_ = ['./toco_deit-t_animals_ctc.py']

model = dict(
    proj_head=None,
    train_cfg=dict(weights=dict(_delete_=True, cls=1.0, cls_aux=1.0, ptc=0.2)),
)
