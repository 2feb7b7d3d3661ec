# 20k iterations, SGD, polynomial decay to 0 from the first iteration on (EPS; VOC: 2
# GPUs x 4 images).
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20000, val_interval=10000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# Encoder 0.01, classifier ten times that. With the slip of the release the momentum is
# the weight decay, 5e-4, whatever `momentum` says.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='MergedOptimWrapperConstructor',
    optimizer=dict(
        type='SlipSGD', lr=0.01, momentum=0.9, weight_decay=5e-4, momentum_slip=True
    ),
    paramwise_cfg=dict(custom_keys=dict(cam_head=dict(lr_mult=10.0))),
)
# The decay ends at train_cfg.max_iters.
param_scheduler = [dict(type='PolyWarmupLR', warmup_iters=0, power=0.9, by_epoch=False)]

# --auto-scale-lr: images per iteration over all GPUs that the rates are meant for.
auto_scale_lr = dict(enable=False, base_batch_size=8)
