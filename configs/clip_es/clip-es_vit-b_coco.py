_base_ = [
    '../_base_/models/clip-es_vit-b.py',
    '../_base_/datasets/coco14_clip.py',
    '../_base_/schedules/schedule_20k.py',
    '../_base_/default_runtime.py',
]

# Nothing is trained: the checkpoint is made of CLIP's own file, as it is,
#   python tools/download.py clip-vit-b
#   python tools/model_converters/clip.py data/pretrained/ViT-B-16.pt CHECKPOINT \
#       --config configs/clip_es/clip-es_vit-b_coco.py
pretrained = 'data/pretrained/ViT-B-16.pt'

# Without the words that are classes here: keyboard, sign.
model = dict(
    num_classes={{_base_.num_classes}},
    backbone=dict(pretrained=pretrained),
    texts=dict(num_background=23),
    affinity=dict(threshold=0.7),
)
train_cfg = dict(max_iters=0)
