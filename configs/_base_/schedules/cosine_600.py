# 600 iterations for tiny networks; otherwise as cosine_20k.
_base_ = ['./cosine_20k.py']

train_cfg = dict(max_iters=600, val_interval=300)
optim_wrapper = dict(
    optimizer=dict(lr=6e-4),
    paramwise_cfg=dict(
        custom_keys={
            'cam_head': dict(lr_mult=4.0),
            'aux_cam_head': dict(lr_mult=4.0),
            'proj_head': dict(lr_mult=4.0),
            'decode_head': dict(lr_mult=4.0),
            'proj_head.mlp.0.bias': dict(lr_mult=4.0),
            'proj_head.mlp.2.bias': dict(lr_mult=4.0),
            'proj_head.mlp.4.bias': dict(lr_mult=4.0),
        }
    ),
)
param_scheduler = [
    dict(type='CosineWarmupLR', warmup_iters=50, warmup_ratio=0.1, by_epoch=False)
]
