# 600 iterations for tiny networks; otherwise as schedule_20k.
_base_ = ['./schedule_20k.py']

train_cfg = dict(max_iters=600, val_interval=300)
optim_wrapper = dict(
    optimizer=dict(lr=6e-4),
    paramwise_cfg=dict(
        custom_keys=dict(
            cam_head=dict(lr_mult=4.0),
            aux_cam_head=dict(lr_mult=4.0),
            proj_head=dict(lr_mult=4.0),
            decode_head=dict(lr_mult=4.0),
        )
    ),
)
param_scheduler = [
    dict(
        type='PolyWarmupLR',
        warmup_iters=50,
        warmup_ratio=1e-6,
        power=0.9,
        by_epoch=False,
    )
]
auto_scale_lr = dict(base_batch_size=8)
