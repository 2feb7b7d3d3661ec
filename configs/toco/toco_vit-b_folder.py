# ToCo on your own images, as on VOC; docs/en/get_started.md shows the few lines that
# set folder and classes.
_base_ = [
    '../_base_/models/toco_vit-b.py',
    '../_base_/datasets/folder.py',
    '../_base_/schedules/schedule_20k.py',
    '../_base_/default_runtime.py',
]

pretrained = (
    'https://github.com/rwightman/pytorch-image-models/releases/download/'
    'v0.1-vitjx/jx_vit_base_p16_224-80ecf9dd.pth'
)

model = dict(num_classes={{_base_.num_classes}}, backbone=dict(pretrained=pretrained))
