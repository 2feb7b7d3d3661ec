_base_ = [
    '../_base_/models/clip-es_vit-b.py',
    '../_base_/datasets/voc12_clip.py',
    '../_base_/schedules/schedule_20k.py',
    '../_base_/default_runtime.py',
]

# Nothing is trained: the checkpoint is made of CLIP's own file, as it is,
#   python tools/download.py clip-vit-b
#   python tools/model_converters/clip.py data/pretrained/ViT-B-16.pt CHECKPOINT \
#       --config configs/clip_es/clip-es_vit-b_voc.py
pretrained = 'data/pretrained/ViT-B-16.pt'

model = dict(num_classes={{_base_.num_classes}}, backbone=dict(pretrained=pretrained))
train_cfg = dict(max_iters=0)
