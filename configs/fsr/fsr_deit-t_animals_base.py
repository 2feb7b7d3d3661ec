# Ablation (FSR, Table 4): the baseline, without self-reinforcement.
_base_ = ['./fsr_deit-t_animals.py']

model = dict(train_cfg=dict(weights=dict(unc=0.0, cer=0.0)))
