# CLIP-ES with a tiny CLIP that tools/misc/pretrain_tiny.py --clip has trained on drawn
# pictures with drawn captions. Nothing is trained here; the checkpoint:
#   python tools/model_converters/clip.py demo/weights/clip-t_shapes.pth CHECKPOINT \
#       --config configs/clip_es/clip-es_vit-t_shapes.py
_base_ = [
    '../_base_/models/clip-es_vit-b.py',
    '../_base_/datasets/shapes_96.py',
    '../_base_/schedules/schedule_600.py',
    '../_base_/default_runtime.py',
]

model = dict(
    num_classes={{_base_.num_classes}},
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dims=96,
            num_layers=6,
            num_heads=4,
            feedforward_channels=384,
        ),
        img_size=96,
        patch_size=8,
        text_dims=64,
        out_indices=(4,),
        attention_blocks=4,
        pretrained='demo/weights/clip-t_shapes.pth',
    ),
    texts=dict(num_background=6),
    affinity=dict(last=4),
)
train_cfg = dict(max_iters=0)

metainfo = dict(
    classes=('background', 'stripes', 'dots', 'check', 'rings', 'zigzag', 'grid'),
    prompts=dict(
        background=['ground', 'clutter', 'pebbles', 'strokes', 'noise', 'clouds']
    ),
)
test_pipeline = [
    dict(type='LoadPicture'),
    dict(type='LoadMask'),
    dict(type='PILMultiScale', scales=(1.0,), rounding=8),
    dict(type='PackWeakInputs'),
]
train_dataloader = dict(dataset=dict(metainfo=metainfo))
val_dataloader = dict(dataset=dict(metainfo=metainfo, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(metainfo=metainfo, pipeline=test_pipeline))
