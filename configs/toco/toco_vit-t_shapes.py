_base_ = [
    '../_base_/models/toco_vit-t.py',
    '../_base_/datasets/shapes_96.py',
    '../_base_/schedules/schedule_600.py',
    '../_base_/default_runtime.py',
]

model = dict(num_classes={{_base_.num_classes}})

# `tools/test.py --tta`
tta_cfg = dict(
    outputs=('seg',),
    seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='sum', fuse='max'),
)
