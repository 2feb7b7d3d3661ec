# An averaged teacher of the whole student, and what it remembers of each class.
_base_ = ['mmwsss::cam/cam_vit-t_shapes_seg.py']
custom_imports = dict(
    imports=['outside_methods.remembering_teacher'], allow_failed_imports=False
)

model = dict(
    type='RememberingTeacher',
    backbone=dict(pretrained=None),
    memory=dict(dim=96, size=64, momentum=0.9),
    labeler=dict(_delete_=True, type='ThresholdLabeler', bkg_thr=0.4),
    losses=dict(mem=dict(type='MemoryAgreement', temperature=0.2)),
    train_cfg=dict(weights=dict(mem=0.1), ema_momentum=0.9),
)
