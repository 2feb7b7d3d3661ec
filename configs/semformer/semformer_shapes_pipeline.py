# SemFormer on Shapes, all stages in minutes on a CPU:
#   python tools/run_pipeline.py configs/semformer/semformer_shapes_pipeline.py
caae = 'configs/semformer/caae_deit-t_shapes.py'
semformer = 'configs/semformer/semformer_deit-t_shapes.py'
affinity = 'configs/irn/irn_r18_shapes.py'
segmenter = 'configs/pseudo/deeplabv3_vit-t_shapes-pseudo.py'
truth = 'data/shapes/SegmentationClass'  # read to score, never to train
with_caae = {'model.caae.checkpoint': '{caae.checkpoint}'}

stages = [
    dict(name='caae', type='train', config=caae),
    dict(name='semformer', type='train', config=semformer, cfg_options=with_caae),
    # Without attention: what the activation alone gives (Table 4).
    dict(
        name='plain_cams',
        type='generate',
        config=semformer,
        checkpoint='{semformer.checkpoint}',
        cfg_options={**with_caae, 'model.backbone.attention_blocks': 0},
        split='train',
        batch_size=16,
        save=('cam', )),
    # CAMs, and from them labels for the affinity network: background's constant first.
    dict(
        name='cams',
        type='generate',
        config=semformer,
        checkpoint='{semformer.checkpoint}',
        cfg_options=with_caae,
        split='train',
        batch_size=16,
        refine='seeds',
        bkg_thr=(0.15, 0.11),
        save=('cam', 'mask')),
    dict(name='plain_cam_score', type='evaluate', maps='{plain_cams.cam}',
         ann_dir=truth),
    dict(name='cam_score', type='evaluate', maps='{cams.cam}', ann_dir=truth),
    dict(name='crf_score', type='evaluate', maps='{cams.cam}', ann_dir=truth,
         img_dir='data/shapes/JPEGImages', crf='irn', thresholds='0.1:0.3:0.1'),
    dict(name='seed_score', type='evaluate', maps='{cams.mask}', ann_dir=truth),
    dict(
        name='affinity',
        type='train',
        config=affinity,
        cfg_options={'train_dataloader.dataset.side_inputs.mask.dir': '{cams.mask}'}),
    dict(
        name='masks',
        type='generate',
        config=affinity,
        checkpoint='{affinity.checkpoint}',
        split='train',
        batch_size=16,
        cams='{cams.cam}',
        refine='rw',
        bkg_thr=0.25,
        preset='irn',
        save=('cam', 'mask')),
    dict(name='mask_score', type='evaluate', maps='{masks.mask}', ann_dir=truth),
    dict(
        name='segmenter',
        type='train',
        config=segmenter,
        cfg_options={'train_dataloader.dataset.side_inputs.mask.dir': '{masks.mask}'}),
    dict(
        name='test',
        type='test',
        config=segmenter,
        checkpoint='{segmenter.checkpoint}'),
]  # yapf: disable
