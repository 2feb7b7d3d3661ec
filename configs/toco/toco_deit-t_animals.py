_base_ = [
    '../_base_/models/toco_deit-t.py',
    '../_base_/datasets/voc_animals_224.py',
    '../_base_/schedules/schedule_3k.py',
    '../_base_/default_runtime.py',
]

# Tuned on `tune`, 300 photos of `train` (docs/en/benchmarks.md). Two thirds of the
# training are classification: pairs and labels of worse CAMs mend nothing. At its
# published weight of 1 the auxiliary loss costs the final CAM of so small a network
# more than the other terms give back.
start = 2000
model = dict(
    num_classes={{_base_.num_classes}},
    train_cfg=dict(
        weights=dict(
            _delete_=True,
            cls=1.0,
            cls_aux=0.1,
            ptc=[(0, 0.0), (start, 0.2)],
            ctc=[(0, 0.0), (start, 0.5)],
            seg=[(0, 0.0), (start, 0.1)],
        ),
        # scale 1.5 would be half of a step
        cam=dict(scales=(1.0, 0.5)),
    ),
)

# `tools/test.py --tta`
tta_cfg = dict(
    outputs=('seg',),
    seg=dict(scales=(1.0, 1.25, 1.5), mirror=True, pair='sum', fuse='max'),
)
