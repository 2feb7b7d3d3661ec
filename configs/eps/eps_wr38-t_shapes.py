_base_ = [
    '../_base_/models/eps_wr38-t.py',
    '../_base_/datasets/shapes_96_sal.py',
    '../_base_/schedules/schedule_600.py',
    '../_base_/default_runtime.py',
]

model = dict(num_classes={{_base_.num_classes}})
