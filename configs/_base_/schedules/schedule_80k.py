# 80k iterations, otherwise as schedule_20k (as ToCo; COCO: 4 GPUs x 2 images).
_base_ = ['./schedule_20k.py']

train_cfg = dict(max_iters=80000, val_interval=4000)
auto_scale_lr = dict(base_batch_size=8)
