# A few iterations on a few real photos, to try the tools; not for numbers.
_base_ = [
    '../_base_/models/toco_vit-b.py',
    '../_base_/datasets/coco_tiny.py',
    '../_base_/schedules/schedule_600.py',
    '../_base_/default_runtime.py',
]

model = dict(
    num_classes={{_base_.num_classes}},
    backbone=dict(arch='deit-tiny'),  # width 192, 12 blocks, from scratch
    decode_head=dict(channels=128),
    proj_head=dict(hidden_channels=256, bottleneck_channels=64, out_channels=256),
    losses=dict(ctc=dict(temperature=1.0)),
    train_cfg=dict(
        weights=dict(seg=[(0, 0.0), (6, 0.1)], reg=[(0, 0.0), (6, 0.05)]),
        local_crops=dict(crop_num=8, crop_size=48),
    ),
    labeler=dict(high_thr=0.65),
    test_cfg=dict(
        outputs=('seg', 'cam', 'aux_cam', 'pseudo'),
        input=dict(squash=(224, 224)),
    ),
)

auto_scale_lr = dict(base_batch_size=2)
train_cfg = dict(max_iters=20, val_interval=20)
param_scheduler = [
    dict(
        type='PolyWarmupLR',
        warmup_iters=5,
        warmup_ratio=1e-6,
        power=0.9,
        by_epoch=False,
    )
]
default_hooks = dict(logger=dict(interval=5), checkpoint=dict(interval=10))
custom_hooks = [
    dict(type='SetupCheckHook'),
    dict(type='IterSeedHook'),
    dict(type='LogTransferHook'),
    dict(type='LabelStatsHook', interval=5),
    dict(type='CAMPanelHook', interval=10),
]
val_evaluator = dict(bkg_thr=0.45)
test_evaluator = dict(bkg_thr=0.45)
