_base_ = [
    '../_base_/models/eps_wr38.py',
    '../_base_/datasets/voc12_sal_448.py',
    '../_base_/schedules/eps_20k.py',
    '../_base_/default_runtime.py',
]

# The public ImageNet weights of "Wider or Deeper" (model A1, MXNet), a path: they are
# read as they are. A .pth of the same weights, as PSA's and others' projects have it,
# does as well.
pretrained = 'data/pretrained/ilsvrc-cls_rna-a1_cls1000_ep-0001.params'

model = dict(num_classes={{_base_.num_classes}}, backbone=dict(pretrained=pretrained))
