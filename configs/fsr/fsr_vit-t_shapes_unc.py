# Ablation (FSR, Table 4): with the uncertain patches' loss, without the class token's.
_base_ = ['./fsr_vit-t_shapes.py']

model = dict(train_cfg=dict(weights=dict(cer=0.0)))
