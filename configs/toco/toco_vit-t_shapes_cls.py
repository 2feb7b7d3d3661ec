# Ablation (ToCo, Table 4): final classification only.
_base_ = ['./toco_vit-t_shapes_aux.py']

model = dict(
    aux_cam_head=None,
    train_cfg=dict(weights=dict(_delete_=True, cls=1.0)),
    test_cfg=dict(outputs=('cam', 'pseudo')),
)
