# 20k iterations, AdamW, linear warm-up, polynomial decay counted from iteration 0
# (as ToCo; VOC: 2 GPUs x 2 images).
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20000, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# Encoder, its norms included: 6e-5. Heads: ten times that. Weight decay 0.01 on
# every trained parameter.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='MergedOptimWrapperConstructor',
    optimizer=dict(
        type='AdamW', lr=6e-5, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01
    ),
    paramwise_cfg=dict(
        custom_keys=dict(
            cam_head=dict(lr_mult=10.0),
            aux_cam_head=dict(lr_mult=10.0),
            proj_head=dict(lr_mult=10.0),
            decode_head=dict(lr_mult=10.0),
        )
    ),
)
# The decay ends at train_cfg.max_iters.
param_scheduler = [
    dict(
        type='PolyWarmupLR',
        warmup_iters=1500,
        warmup_ratio=1e-6,
        power=0.9,
        by_epoch=False,
    )
]

# --auto-scale-lr: images per iteration over all GPUs that the rates are meant for.
auto_scale_lr = dict(enable=False, base_batch_size=4)
