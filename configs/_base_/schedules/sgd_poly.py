# SGD with Nesterov momentum in four groups, polynomial decay per iteration without
# warm-up, as PSA, IRN, SemFormer and EPS release it. Lengths and rates are the
# method's: train_cfg.max_iters, optim_wrapper.optimizer.lr.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20000, val_interval=2000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='FineTuneOptimWrapperConstructor',
    # With the slip of the releases the momentum is the weight decay, 5e-4, whatever
    # `momentum` says; the rates of the new layers are made for that. Without it
    # (optim_wrapper.optimizer.momentum_slip=False) every step is ten times larger.
    optimizer=dict(
        type='SlipSGD',
        lr=0.01,
        momentum=0.9,
        nesterov=True,
        weight_decay=5e-4,
        momentum_slip=True,
    ),
    # rates of pretrained weights, pretrained others (biases, positions), new weights,
    # new others; others have no weight decay
    paramwise_cfg=dict(
        pretrained=('backbone',), new=(), lr_mults=(1, 2, 10, 20), other_decay_mult=0.0
    ),
)
# (1 - t / T)^0.9 from iteration 0 to train_cfg.max_iters
param_scheduler = [dict(type='PolyWarmupLR', warmup_iters=0, power=0.9, by_epoch=False)]

# --auto-scale-lr: images per iteration over all GPUs that the rates are meant for.
auto_scale_lr = dict(enable=False, base_batch_size=16)
