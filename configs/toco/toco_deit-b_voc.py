_base_ = ['./toco_vit-b_voc.py']

# DeiT-B/16, ImageNet-1k, not distilled (hash b5f2ef4d)
pretrained = 'https://dl.fbaipublicfiles.com/deit/deit_base_patch16_224-b5f2ef4d.pth'

model = dict(backbone=dict(pretrained=pretrained))
