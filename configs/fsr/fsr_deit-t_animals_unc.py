# Ablation (FSR, Table 4): with the uncertain patches' loss, without the class token's.
_base_ = ['./fsr_deit-t_animals.py']

model = dict(train_cfg=dict(weights=dict(cer=0.0)))
