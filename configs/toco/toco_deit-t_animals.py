_base_ = [
    '../_base_/models/toco_deit-t.py',
    '../_base_/datasets/voc_animals_224.py',
    '../_base_/schedules/schedule_2k.py',
    '../_base_/default_runtime.py',
]

model = dict(num_classes={{_base_.num_classes}})

# `tools/test.py --tta`
tta_cfg = dict(
    outputs=('seg',),
    seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='sum', fuse='max'),
)
