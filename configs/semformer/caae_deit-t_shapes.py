# Stage 1 on Shapes.
_base_ = [
    '../_base_/models/caae_deit-t.py',
    '../_base_/datasets/shapes_96.py',
    '../_base_/schedules/sgd_poly.py',
    '../_base_/default_runtime.py',
]

model = dict(num_classes={{_base_.num_classes}})

# As on VOC, without the enlargement; a larger smallest part, for objects fill little of
# these pictures.
train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='PILRandomResizedCrop', size=96, area=(0.5, 1.0), resample='bilinear'),
    dict(type='PILRandomFlip'),
    dict(type='PackWeakInputs'),
]
test_pipeline = [dict(type='LoadPicture'), dict(type='PackWeakInputs')]
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=64, dataset=dict(with_masks=False, pipeline=test_pipeline)
)
test_dataloader = dict(
    batch_size=64, dataset=dict(with_masks=False, pipeline=test_pipeline)
)
val_evaluator = [dict(type='WSSSMetric'), dict(type='ClassSimilarityMetric')]
test_evaluator = val_evaluator

# 300 iterations instead of 33,000, hence a real momentum; with it a fifth of the rate.
train_cfg = dict(max_iters=300, val_interval=300)
optim_wrapper = dict(optimizer=dict(lr=0.005, momentum_slip=False))
auto_scale_lr = dict(base_batch_size=16)

custom_hooks = [
    dict(type='SetupCheckHook'),
    dict(type='IterSeedHook'),
    dict(type='LogTransferHook'),
]
