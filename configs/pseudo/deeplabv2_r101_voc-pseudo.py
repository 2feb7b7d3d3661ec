# The last stage of EPS and SMAF: DeepLab-v2 on ResNet-101 with the settings of the
# public deeplab-pytorch project for VOC, trained on pseudo masks. With CRF:
#   tools/test.py ... --post-processor crf:deeplab
#
# Initialisation decides several points of mIoU: name it beside every number. Published
# figures start from ResNet-101 weights trained on COCO (of the original DeepLab
# release); those below are ImageNet's, in Caffe's form. Others:
#   model.backbone.init_cfg.checkpoint=FILE
_base_ = [
    '../_base_/models/deeplabv2_r101.py',
    '../_base_/datasets/voc12_512_pseudo.py',
    '../_base_/schedules/sgd_20k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained', checkpoint='open-mmlab://detectron2/resnet101_caffe'
        )
    ),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)

train_pipeline = [
    # B, G, R
    dict(type='LoadPicture', channel_order='bgr'),
    dict(type='LoadSideInputs'),
    dict(type='PILRandomScale', factors=(0.5, 0.75, 1.0, 1.25, 1.5)),
    dict(type='PILPadCrop', crop_size=321, random_pad=False),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PackWeakInputs'),
]
test_pipeline = [
    dict(type='LoadPicture', channel_order='bgr'),
    dict(type='LoadMask'),
    dict(type='PackWeakInputs'),
]
# Two GPUs with five images each give the published batch: twice five, whose gradients
# are averaged.
train_dataloader = dict(batch_size=5, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

# Encoder 2.5e-4, classifiers ten times that, their biases twenty times without decay.
optim_wrapper = dict(
    constructor='MergedOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            'decode_head': dict(lr_mult=10.0),
            # longer keys win over `decode_head`
            'convs.0.bias': dict(lr_mult=20.0, decay_mult=0.0),
            'convs.1.bias': dict(lr_mult=20.0, decay_mult=0.0),
            'convs.2.bias': dict(lr_mult=20.0, decay_mult=0.0),
            'convs.3.bias': dict(lr_mult=20.0, decay_mult=0.0),
        }
    ),
)
# The rate changes every 10 iterations.
param_scheduler = [
    dict(type='PolyWarmupLR', warmup_iters=0, power=0.9, hold=10, by_epoch=False)
]
auto_scale_lr = dict(base_batch_size=10)
# Trained on pixels: no CAM to look at, no shares of labels.
custom_hooks = [
    dict(type='SetupCheckHook'),
    dict(type='IterSeedHook'),
    dict(type='LogTransferHook'),
]
