_base_ = ['./toco_vit-b_coco.py']

pretrained = 'https://dl.fbaipublicfiles.com/deit/deit_base_patch16_224-b5f2ef4d.pth'

model = dict(backbone=dict(pretrained=pretrained))
