# 2k iterations for small networks on a CPU; otherwise as cosine_20k.
_base_ = ['./cosine_20k.py']

train_cfg = dict(max_iters=2000, val_interval=1000)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = [
    dict(type='CosineWarmupLR', warmup_iters=100, warmup_ratio=0.1, by_epoch=False)
]
auto_scale_lr = dict(base_batch_size=4)
