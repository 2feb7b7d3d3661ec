_base_ = ['../../configs/_base_/default_runtime.py']
custom_imports = dict(imports=['tests.helpers.toy'], allow_failed_imports=False)

model = dict(type='ToyWSSS', num_classes=3)
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(type='ToyDataset', length=12),
    sampler=dict(type='ToySampler'),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(type='ToyDataset', length=5, with_masks=True),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='WSSSMetric')
test_evaluator = val_evaluator
tta_cfg = dict(seg=dict(mirror=True))

train_cfg = dict(type='IterBasedTrainLoop', max_iters=6, val_interval=3)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='MergedOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-2, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys=dict(cam_head=dict(lr_mult=10.0))),
)
param_scheduler = [dict(type='PolyWarmupLR', warmup_iters=2, by_epoch=False)]
auto_scale_lr = dict(enable=False, base_batch_size=2)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1, log_metric_by_epoch=False),
    checkpoint=dict(
        type='AtomicCheckpointHook',
        by_epoch=False,
        interval=3,
        max_keep_ckpts=2,
        save_best='seg_mIoU',
    ),
)
custom_hooks = [
    dict(type='SetupCheckHook'),
    dict(type='IterSeedHook'),
    dict(type='LabelStatsHook', interval=2),
    dict(type='CAMPanelHook', interval=3, num_images=2),
]
