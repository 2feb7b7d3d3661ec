# 990 iterations, Nesterov SGD, polynomial decay (IRNet's edge network as SemFormer
# trains it: 3 epochs of 330 iterations).
train_cfg = dict(type='IterBasedTrainLoop', max_iters=990, val_interval=990)

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='MergedOptimWrapperConstructor',
    # With the slip of the release the momentum is the weight decay, 1e-4, whatever
    # `momentum` says.
    optimizer=dict(
        type='SlipSGD',
        lr=0.1,
        momentum=0.9,
        nesterov=True,
        weight_decay=1e-4,
        momentum_slip=True,
    ),
)
# The decay ends at train_cfg.max_iters.
param_scheduler = [dict(type='PolyWarmupLR', warmup_iters=0, power=0.9, by_epoch=False)]

# --auto-scale-lr: images per iteration over all GPUs that the rates are meant for.
auto_scale_lr = dict(enable=False, base_batch_size=32)
