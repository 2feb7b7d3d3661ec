_base_ = [
    '../_base_/models/afa_mit-b1.py',
    '../_base_/datasets/voc12_512.py',
    '../_base_/schedules/schedule_20k.py',
    '../_base_/default_runtime.py',
]

# SegFormer's MiT-B1, ImageNet-1k, in mmseg's layout. A URL or a path; SegFormer's own
# layout (mit_b1.pth) is recognised too.
pretrained = (
    'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/'
    'mit_b1_20220624-02e5a6a1.pth'
)

model = dict(num_classes={{_base_.num_classes}}, backbone=dict(pretrained=pretrained))

optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(affinity_head=dict(lr_mult=10.0)))
)
param_scheduler = [
    dict(
        type='PolyWarmupLR',
        warmup_iters=1500,
        warmup_ratio=1e-6,
        power=1.0,
        by_epoch=False,
    )
]
randomness = dict(seed=1)
val_evaluator = dict(bkg_thr=0.45)
test_evaluator = dict(bkg_thr=0.45)

# `tools/test.py --tta`: long side 512, mean of the mirrored pair, maximum over scales.
tta_cfg = dict(
    outputs=('seg',),
    input=dict(long_side=512),
    seg=dict(
        scales=(1.0, 0.5, 0.75), mirror=True, pair='mean', fuse='max', fuse_at='logits'
    ),
)
