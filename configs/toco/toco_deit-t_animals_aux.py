# Ablation (ToCo, Table 4): final and auxiliary classification only.
_base_ = ['./toco_deit-t_animals_ptc.py']

model = dict(train_cfg=dict(weights=dict(_delete_=True, cls=1.0, cls_aux=0.1)))
