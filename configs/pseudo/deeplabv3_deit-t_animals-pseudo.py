# The last stage of a pipeline on VOC Animals: a stock segmenter on the encoder of the
# weak methods, trained on pseudo masks.
_base_ = [
    '../_base_/models/deeplabv3_deit-t.py',
    '../_base_/datasets/voc_animals_224_pseudo.py',
    '../_base_/schedules/schedule_2k.py',
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
