_base_ = [
    '../_base_/models/more_deit-t.py',
    '../_base_/datasets/voc_animals_224.py',
    '../_base_/schedules/schedule_3k.py',
    '../_base_/default_runtime.py',
]

# Classification first, as in configs/toco/toco_deit-t_animals.py; behind it what hangs
# on the length: a twentieth of VOC's begins. The class tokens come apart from the
# start, for VOC's 1,800 iterations of equal tokens would be all of that.
start = 2000
segmentation = start + 100
final_cam = start + 500
model = dict(
    num_classes={{_base_.num_classes}},
    train_cfg=dict(
        weights=dict(
            _delete_=True,
            cls=1.0,
            cls_aux=0.1,
            mct=1.0,
            ptc=[(0, 0.0), (start, 0.3)],
            cle=[(0, 0.0), (start, 0.2)],
            une=[(0, 0.0), (start, 0.1)],
            seg=[(0, 0.0), (segmentation, 0.12)],
        ),
        certain=[
            (0, dict(source='aux_cam', low_thr=0.25, high_thr=0.5)),
            (final_cam, dict(source='cam', low_thr=0.35, high_thr=0.6)),
        ],
        uncertain=[
            (0, dict(source='aux_cam', low_thr=0.25, high_thr=0.7)),
            (final_cam, dict(source='cam', low_thr=0.35, high_thr=0.6)),
        ],
    ),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(graph=dict(lr_mult=10.0))))

train_pipeline = [
    dict(type='LoadPicture'),
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
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# `tools/test.py --tta`: the decoder
tta_cfg = dict(
    outputs=('seg',),
    seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='sum', fuse='max'),
)
