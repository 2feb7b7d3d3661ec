# Ablation (FSR, Table 4): with the class token's loss, without the uncertain patches'.
_base_ = ['./fsr_deit-t_animals.py']

model = dict(train_cfg=dict(weights=dict(unc=0.0)))
