# Stage 1 on VOC: trainaug, 200 epochs of 64 images (2 GPUs x 32).
_base_ = [
    '../_base_/models/caae_deit-b-dist.py',
    '../_base_/datasets/voc12_448.py',
    '../_base_/schedules/sgd_poly.py',
    '../_base_/default_runtime.py',
]

# DeiT-B/16, ImageNet-1k, distilled (hash df68dfff). A URL or a path.
pretrained = (
    'https://dl.fbaipublicfiles.com/deit/deit_base_distilled_patch16_224-df68dfff.pth'
)

model = dict(num_classes={{_base_.num_classes}}, backbone=dict(pretrained=pretrained))

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    # Published; before the crop it changes nothing but blur, and costs most of the
    # loader's time. Without: --cfg-options
    # train_dataloader.dataset.pipeline.2.scale_range="(1.0,1.0)"
    dict(type='PILRandomScale', scale_range=(1.0, 3.0), resample='bilinear'),
    dict(type='PILRandomResizedCrop', size=224, resample='bilinear'),
    dict(type='PILRandomFlip'),
    dict(type='PackWeakInputs'),
]
# Images squashed to the network's size; their labels are compared, no masks.
test_pipeline = [
    dict(type='LoadPicture'),
    dict(type='Resize', scale=(224, 224), backend='pillow', interpolation='bilinear'),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=64, dataset=dict(split='train', with_masks=False, pipeline=test_pipeline)
)
test_dataloader = val_dataloader
# sim_mAP, the score by which the release keeps a checkpoint; here the last one is kept,
# unless --cfg-options default_hooks.checkpoint.save_best=sim_mAP
val_evaluator = [dict(type='WSSSMetric'), dict(type='ClassSimilarityMetric')]
test_evaluator = val_evaluator

train_cfg = dict(max_iters=33000, val_interval=3300)
optim_wrapper = dict(optimizer=dict(lr=0.025))
auto_scale_lr = dict(base_batch_size=64)

# No CAM to look at, no pseudo labels.
custom_hooks = [
    dict(type='SetupCheckHook'),
    dict(type='IterSeedHook'),
    dict(type='LogTransferHook'),
]
