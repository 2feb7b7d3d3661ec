# SMAF as its paper describes it: the teacher runs along (five times the student's own
# work), L_cls is added.
_base_ = ['./smaf_eps_wr38_voc.py']

model = dict(
    self_training=dict(source='online', scales=(0.5, 1.0, 1.5, 2.0)),
    train_cfg=dict(weights=dict(cls=1.0)),
)

train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='PILResizeLongSide', side_range=(256, 512), resample='bicubic'),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILPadCrop', crop_size=448),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(
    dataset=dict(side_inputs=dict(fused=None), pipeline=train_pipeline)
)
