# CLIP-ES on Shapes, with a tiny CLIP: masks, then mmseg's DeepLabV3 on them.
#   python tools/model_converters/clip.py demo/weights/clip-t_shapes.pth \
#       work_dirs/clip-es_vit-t_shapes.pth \
#       --config configs/clip_es/clip-es_vit-t_shapes.py
#   python tools/run_pipeline.py configs/clip_es/clip-es_shapes_pipeline.py
clip_es = 'configs/clip_es/clip-es_vit-t_shapes.py'
checkpoint = 'work_dirs/clip-es_vit-t_shapes.pth'
segmenter = 'configs/pseudo/deeplabv3_vit-t_shapes-pseudo.py'
truth = 'data/shapes/SegmentationClass'  # read to score, never to train

stages = [
    dict(
        name='masks',
        type='generate',
        config=clip_es,
        checkpoint=checkpoint,
        split='train',
        save=('cam', 'mask'),
    ),
    dict(name='cam_score', type='evaluate', maps='{masks.cam}', ann_dir=truth),
    dict(name='mask_score', type='evaluate', maps='{masks.mask}', ann_dir=truth),
    dict(
        name='segmenter',
        type='train',
        config=segmenter,
        cfg_options={'train_dataloader.dataset.side_inputs.mask.dir': '{masks.mask}'},
    ),
    dict(
        name='test', type='test', config=segmenter, checkpoint='{segmenter.checkpoint}'
    ),
]
