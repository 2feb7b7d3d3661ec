# 3k iterations for small networks on a CPU; otherwise as cosine_2k.
_base_ = ['./cosine_2k.py']

train_cfg = dict(max_iters=3000, val_interval=3000)
