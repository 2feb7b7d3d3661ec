# The last stage of SemFormer: DeepLab-v1 on Wide-ResNet-38, trained on pseudo masks.
# With the published CRF: tools/test.py ... --post-processor crf:deeplabv1
_base_ = [
    '../_base_/models/deeplabv1_wr38.py',
    '../_base_/datasets/voc12_512_pseudo.py',
    '../_base_/schedules/sgd_20k.py',
    '../_base_/default_runtime.py',
]

pretrained = 'data/pretrained/ilsvrc-cls_rna-a1_cls1000_ep-0001.params'

model = dict(
    backbone=dict(pretrained=pretrained),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadSideInputs'),
    dict(type='HSVShift', limit=10),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILRandomScale', scale_range=(0.5, 1.5), resample='bicubic'),
    dict(type='PILPadCrop', crop_size=448),
    dict(type='PackWeakInputs'),
]
test_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadMask'),
    dict(type='PackWeakInputs'),
]
# Two GPUs with five images each give the published batch of 10.
train_dataloader = dict(batch_size=5, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

# Encoder 0.001, decoder ten times that, its bias twenty times without decay.
optim_wrapper = dict(
    constructor='MergedOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=0.001, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            'decode_head': dict(lr_mult=10.0),
            # a longer key wins over `decode_head`
            'conv_seg.bias': dict(lr_mult=20.0, decay_mult=0.0),
        }
    ),
)
param_scheduler = [
    dict(
        type='PolyWarmupLR',
        warmup_iters=0,
        total_iters=20001,
        power=0.9,
        by_epoch=False,
    )
]
randomness = dict(seed=1)
auto_scale_lr = dict(base_batch_size=10)
# Trained on pixels: no CAM to look at, no shares of labels.
custom_hooks = [
    dict(type='SetupCheckHook'),
    dict(type='IterSeedHook'),
    dict(type='LogTransferHook'),
]
