_base_ = [
    '../_base_/models/seco_deit-t.py',
    '../_base_/datasets/voc_animals_224.py',
    '../_base_/schedules/schedule_3k.py',
    '../_base_/default_runtime.py',
]

# Classification first, as in configs/toco/toco_deit-t_animals.py; behind it what hangs
# on the length: a twentieth of VOC's begins.
start = 2000
prototypes = start + 30
contrast = start + 50
segmentation = start + 100
final_cam = start + 500
model = dict(
    num_classes={{_base_.num_classes}},
    train_cfg=dict(
        weights=dict(
            _delete_=True,
            cls=1.0,
            cls_aux=0.1,
            ptc=[(0, 0.0), (start, 0.3)],
            lil=[(0, 0.0), (contrast, 0.5)],
            lig=[(0, 0.0), (contrast, 0.5)],
            seg=[(0, 0.0), (segmentation, 0.12)],
        ),
        # The queue is full of new keys after 96 steps: one more than are needed.
        update_queue=[(0, False), (contrast - 96, True)],
        update_prototypes=[(0, False), (prototypes, True)],
        roi_source=[(0, 'aux_cam'), (final_cam, 'cam')],
    ),
)

train_pipeline = [
    dict(type='LoadPicture'),
    dict(
        type='ToCoViews',
        crop_size=224,
        view1=dict(flip_prob=0, jitter_prob=0, grey_prob=0, blur_prob=0),
    ),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# `tools/test.py --tta`
tta_cfg = dict(
    outputs=('seg',),
    seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='sum', fuse='max'),
)
