# Classes scored by their names, gradients as class maps, labels without ignore.
_base_ = ['mmwsss::cam/cam_vit-t_shapes_seg.py']
custom_imports = dict(
    imports=['outside_methods.text_gradients'], allow_failed_imports=False
)

classes = ('background', 'stripes', 'dots', 'check', 'rings', 'zigzag', 'grid')
# of the model, and where no mask is generated otherwise
labeler = dict(type='ComplementLabeler')
model = dict(
    type='TextGradients',
    text_dim=96,
    backbone=dict(pretrained=None),
    cam_head=None,
    labeler=dict(_delete_=True, **labeler),
)
train_dataloader = dict(dataset=dict(metainfo=dict(classes=classes)))
val_dataloader = dict(dataset=dict(metainfo=dict(classes=classes)))
test_dataloader = dict(dataset=dict(metainfo=dict(classes=classes)))
