# AFA on your own images; tools/misc/new_config.py writes a config on top of this one
# that fits a folder. Crops of 320; lengths that VOC gives for 512 in proportion.
_base_ = [
    '../_base_/models/afa_mit-b1.py',
    '../_base_/datasets/folder.py',
    '../_base_/schedules/schedule_20k.py',
    '../_base_/default_runtime.py',
]

# SegFormer's MiT-B1, ImageNet-1k, in mmseg's layout
pretrained = (
    'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/'
    'mit_b1_20220624-02e5a6a1.pth'
)

model = dict(
    num_classes={{_base_.num_classes}},
    backbone=dict(pretrained=pretrained),
    affinity_radius=5,
    labeler=dict(refiner=dict(dilations=(1, 2, 3, 5, 8, 15))),
)

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILRandomScale', scale_range=(0.5, 2.0)),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILPadCrop', crop_size=320),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(
    batch_size=4, num_workers=2, dataset=dict(pipeline=train_pipeline)
)

optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(affinity_head=dict(lr_mult=10.0)))
)
val_evaluator = dict(bkg_thr=0.45)
test_evaluator = dict(bkg_thr=0.45)
