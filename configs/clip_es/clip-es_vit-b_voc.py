_base_ = [
    '../_base_/models/clip-es_vit-b.py',
    '../_base_/datasets/voc12_clip.py',
    '../_base_/schedules/schedule_20k.py',
    '../_base_/default_runtime.py',
]

model = dict(num_classes={{_base_.num_classes}})
