# SMAF as published: EPS -> its fused maps of train_aug -> self-training on them -> CRF
# masks -> DeepLab-v2, on VOC. Saliency maps are needed for EPS only.
#   python tools/run_pipeline.py configs/smaf/smaf_eps_voc_pipeline.py \
#       --launcher pytorch --gpus 2
# Batches are those of two GPUs.
base = 'configs/eps/eps_wr38_voc.py'
smaf = 'configs/smaf/smaf_eps_wr38_voc.py'
segmenter = 'configs/pseudo/deeplabv2_r101_voc-pseudo.py'

stages = [
    dict(name='eps', type='train', config=base),
    dict(
        name='teacher',
        type='generate',
        config=base,
        checkpoint='{eps.checkpoint}',
        split='train_aug',
        save='fused',
    ),
    dict(
        name='smaf',
        type='train',
        config=smaf,
        cfg_options={
            'model.checkpoint': '{eps.checkpoint}',
            'train_dataloader.dataset.side_inputs.fused.dir': '{teacher.fused}',
        },
    ),
    # Seeds on train, at the threshold 0.2 and at the best.
    dict(name='seeds', type='test', config=smaf, checkpoint='{smaf.checkpoint}'),
    # Hard labels of confidence 0.7, all 21 labels in the CRF, as published. Without
    # num_classes it has the labels of the picture only.
    dict(
        name='masks',
        type='generate',
        config=smaf,
        checkpoint='{smaf.checkpoint}',
        split='train_aug',
        refine='crf',
        preset='smaf_pseudo',
        unary='labels',
        num_classes=21,
        bkg_thr=0.2,
        save='mask',
    ),
    # Truth is read to score the 1,464 images of `train`, never to train.
    dict(
        name='mask_score',
        type='evaluate',
        maps='{masks.mask}',
        config=smaf,
        split='train',
    ),
    dict(
        name='segmenter',
        type='train',
        config=segmenter,
        cfg_options={'train_dataloader.dataset.side_inputs.mask.dir': '{masks.mask}'},
    ),
    dict(
        name='test', type='test', config=segmenter, checkpoint='{segmenter.checkpoint}'
    ),
    # The published figures have a CRF behind the segmenter.
    dict(
        name='crf_test',
        type='test',
        config=segmenter,
        checkpoint='{segmenter.checkpoint}',
        args=('--post-processor', 'crf:deeplab'),
    ),
]
