# 30k iterations, AdamW, short linear warm-up, linear decay counted from iteration 0 (as
# WeCLIP; VOC: 1 GPU x 4 images).
_base_ = ['./schedule_20k.py']

train_cfg = dict(max_iters=30000)
# Nothing but the decoder is trained: ten times this.
optim_wrapper = dict(
    optimizer=dict(lr=2e-4),
    paramwise_cfg=dict(custom_keys=dict(_delete_=True, decode_head=dict(lr_mult=10.0))),
)
param_scheduler = [
    dict(
        type='PolyWarmupLR',
        warmup_iters=50,
        warmup_ratio=1e-6,
        power=1.0,
        by_epoch=False,
    )
]
