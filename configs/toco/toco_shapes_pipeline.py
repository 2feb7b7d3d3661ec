# ToCo as a labeller: ToCo -> masks of the training pictures -> mmseg's DeepLabV3.
#   python tools/run_pipeline.py configs/toco/toco_shapes_pipeline.py
toco = 'configs/toco/toco_vit-t_shapes.py'
segmenter = 'configs/pseudo/deeplabv3_vit-t_shapes-pseudo.py'
truth = 'data/shapes/SegmentationClass'  # read to score, never to train

stages = [
    dict(name='toco', type='train', config=toco),
    dict(name='toco_test', type='test', config=toco, checkpoint='{toco.checkpoint}'),
    dict(
        name='masks',
        type='generate',
        config=toco,
        checkpoint='{toco.checkpoint}',
        split='train',
        # A label for every pixel. With refine='par' the label leaves out what is
        # uncertain; its "sure background" then holds bodies, and three seeds of the
        # segmenter lie 28 points apart.
        refine='crf',
        unary='labels',
        preset='smaf_pseudo',
        num_classes=7,
        bkg_thr=0.5,
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
