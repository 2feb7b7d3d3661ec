# Ablation (ToCo, Table 4): classification, PTC and CTC, no segmentation.
_base_ = ['./toco_deit-t_animals.py']

# no decoder, no segmentation to be tested
tta_cfg = None

model = dict(
    decode_head=None,
    train_cfg=dict(weights=dict(_delete_=True, cls=1.0, cls_aux=1.0, ptc=0.2, ctc=0.5)),
    test_cfg=dict(outputs=('cam', 'aux_cam', 'pseudo')),
)
