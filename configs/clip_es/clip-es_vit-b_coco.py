_base_ = [
    '../_base_/models/clip-es_vit-b.py',
    '../_base_/datasets/coco14_clip.py',
    '../_base_/schedules/schedule_20k.py',
    '../_base_/default_runtime.py',
]

# Without the words that are classes here: keyboard, sign.
model = dict(
    num_classes={{_base_.num_classes}},
    texts=dict(num_background=23),
    affinity=dict(threshold=0.7),
)
