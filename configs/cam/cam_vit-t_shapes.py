# The plain CAM on Shapes: classification only. A decoder learns from its refined CAM on
# the side, without a gradient into the encoder, so that there is a segmentation to
# compare. Same network, pictures and schedule as ToCo.
_base_ = ['./cam_vit-t_shapes_seg.py']

model = dict(train_cfg=dict(detach_decoder=True))
