# The last stage of a pipeline on VOC: mmseg's SegFormer, trained on pseudo masks.
_base_ = [
    '../_base_/models/segformer_mit-b1.py',
    '../_base_/datasets/voc12_512_pseudo.py',
    '../_base_/schedules/schedule_20k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
auto_scale_lr = dict(base_batch_size=16)
# Trained on pixels: no CAM to look at, no shares of labels.
custom_hooks = [
    dict(type='SetupCheckHook'),
    dict(type='IterSeedHook'),
    dict(type='LogTransferHook'),
]
