# Stage 1 on VOC Animals.
_base_ = [
    '../_base_/models/caae_deit-b-dist.py',
    '../_base_/datasets/voc_animals_224.py',
    '../_base_/schedules/sgd_poly.py',
    '../_base_/default_runtime.py',
]

# DeiT-Ti/16, ImageNet-1k, not distilled (hash a1311bcf)
pretrained = 'https://dl.fbaipublicfiles.com/deit/deit_tiny_patch16_224-a1311bcf.pth'

model = dict(
    num_classes={{_base_.num_classes}},
    backbone=dict(arch='deit-tiny', pretrained=pretrained),
    semantics=dict(in_channels=192, channels=64),
    decoder=dict(embed_channels=192, channels=192, num_layers=4, num_heads=3),
)

# As on VOC, without the enlargement, which costs most of the loader's time.
train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='PILRandomResizedCrop', size=224, area=(0.32, 1.0), resample='bilinear'),
    dict(type='PILRandomFlip'),
    dict(type='PackWeakInputs'),
]
# Photos squashed to the network's size; their labels are compared, no masks.
test_pipeline = [
    dict(type='LoadPicture'),
    dict(type='Resize', scale=(224, 224), backend='pillow', interpolation='bilinear'),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=16, dataset=dict(with_masks=False, pipeline=test_pipeline)
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='WSSSMetric'), dict(type='ClassSimilarityMetric')]
test_evaluator = val_evaluator

# 500 iterations instead of 33,000, hence a real momentum; with it a fifth of the rate.
train_cfg = dict(max_iters=500, val_interval=500)
optim_wrapper = dict(optimizer=dict(lr=0.005, momentum_slip=False))
auto_scale_lr = dict(base_batch_size=16)

custom_hooks = [
    dict(type='SetupCheckHook'),
    dict(type='IterSeedHook'),
    dict(type='LogTransferHook'),
]
