# 80k iterations, otherwise as weclip_30k (as WeCLIP; COCO: 1 GPU x 4 images).
_base_ = ['./weclip_30k.py']

train_cfg = dict(max_iters=80000, val_interval=8000)
