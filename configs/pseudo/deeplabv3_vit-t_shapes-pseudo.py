# The last stage of a pipeline on Shapes: a stock segmenter, trained on pseudo masks.
# Encoder, its weights and the schedule are those of the fully supervised bound.
_base_ = [
    '../_base_/models/deeplabv3_vit-t.py',
    '../_base_/datasets/shapes_96_pseudo.py',
    '../_base_/schedules/schedule_600.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
# Trained on pixels: no CAM to look at, no shares of labels.
custom_hooks = [
    dict(type='SetupCheckHook'),
    dict(type='IterSeedHook'),
    dict(type='LogTransferHook'),
]
