# 80k iterations, otherwise as cosine_20k (as FSR; COCO: 4 GPUs x 2 images).
_base_ = ['./cosine_20k.py']

train_cfg = dict(max_iters=80000, val_interval=4000)
