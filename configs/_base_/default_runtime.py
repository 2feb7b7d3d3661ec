# What every run shares. Iteration-based: intervals count iterations.
default_scope = 'mmwsss'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='AtomicCheckpointHook', by_epoch=False, interval=2000, max_keep_ckpts=2
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
)
custom_hooks = [
    dict(type='SetupCheckHook'),
    dict(type='IterSeedHook'),
    dict(type='LogTransferHook'),
    dict(type='LabelStatsHook', interval=50),
    dict(type='CAMPanelHook', interval=500),
]

# Same seed on every rank for the initial weights; what ranks draw afterwards is
# derived from (seed, rank, iteration) by IterSeedHook and from the sampler per item.
randomness = dict(seed=0, diff_rank_seed=False, deterministic=False)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)

# More places to write to: dict(type='TensorboardVisBackend'),
# dict(type='WandbVisBackend', init_kwargs=dict(project='mmwsss')).
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(
    type='SegLocalVisualizer', vis_backends=vis_backends, name='visualizer'
)
log_processor = dict(by_epoch=False)
log_level = 'INFO'
load_from = None
resume = False
