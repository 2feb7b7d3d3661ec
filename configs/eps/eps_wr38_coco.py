_base_ = [
    '../_base_/models/eps_wr38.py',
    '../_base_/datasets/coco14_sal_321.py',
    '../_base_/schedules/eps_20k.py',
    '../_base_/default_runtime.py',
]

pretrained = 'data/pretrained/ilsvrc-cls_rna-a1_cls1000_ep-0001.params'

model = dict(
    num_classes={{_base_.num_classes}},
    backbone=dict(pretrained=pretrained),
    losses=dict(sal=dict(fg_weight=0.9)),
)

# 15 epochs. The launch script of the release asks for 256,500 iterations, but in its
# log the learning rate has come to 0 here and stays there.
train_cfg = dict(max_iters=76950, val_interval=25650)
auto_scale_lr = dict(base_batch_size=16)
