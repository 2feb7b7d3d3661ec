# 2k iterations for small networks on a CPU; otherwise as schedule_20k.
_base_ = ['./schedule_20k.py']

train_cfg = dict(max_iters=2000, val_interval=1000)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = [
    dict(
        type='PolyWarmupLR',
        warmup_iters=100,
        warmup_ratio=1e-6,
        power=0.9,
        by_epoch=False,
    )
]
