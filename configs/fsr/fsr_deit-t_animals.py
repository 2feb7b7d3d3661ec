_base_ = [
    '../_base_/models/fsr_deit-t.py',
    '../_base_/datasets/voc_animals_224.py',
    '../_base_/schedules/cosine_3k.py',
    '../_base_/default_runtime.py',
]

# Classification first, as in configs/toco/toco_deit-t_animals.py, and what hangs on the
# length behind it, a tenth of VOC's.
start = 2000
model = dict(
    num_classes={{_base_.num_classes}},
    train_cfg=dict(
        weights=dict(
            _delete_=True,
            cls=1.0,
            cls_aux=0.1,
            ptc=[(0, 0.0), (start, 0.2)],
            unc=[(0, 0.0), (start, 0.1)],
            cer=[(0, 0.0), (start, 0.1)],
            seg=[(0, 0.0), (start, 0.1)],
        ),
        mask=dict(strategy=[(0, 'random'), (2200, 'uncertain')]),
        teacher_temp=dict(iters=2250),
        ema_momentum=dict(iters=3000),
        cam=dict(scales=(1.0, 0.5)),
    ),
)

view = [
    dict(type='PILRandomResizedCrop', size=224, area=(0.32, 1.0), resample='bicubic'),
    dict(type='PILRandomFlip'),
    dict(
        type='PILColorJitter',
        brightness=0.4,
        contrast=0.4,
        saturation=0.2,
        hue=0.1,
        prob=0.5,
    ),
]
train_pipeline = [
    dict(type='LoadPicture'),
    dict(type='MultiView', views=dict(view1=view, view2=view)),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# `tools/test.py --tta`
tta_cfg = dict(
    outputs=('seg',),
    seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='sum', fuse='max'),
)
