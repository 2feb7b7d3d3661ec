# SemFormer on PASCAL VOC 2012, from images and image labels to a tested segmenter:
#   python tools/run_pipeline.py configs/semformer/semformer_voc_pipeline.py \
#       --launcher pytorch --gpus 2
# Batches are those of two GPUs, except stage 2's, which is all of the published eight.
caae = 'configs/semformer/caae_deit-b-dist_voc.py'
semformer = 'configs/semformer/semformer_deit-s_voc.py'
affinity = 'configs/irn/irn_r50_voc.py'
segmenter = 'configs/semformer/deeplabv1_wr38_voc-pseudo.py'
with_caae = {'model.caae.checkpoint': '{caae.checkpoint}'}
# Truth is read to score the 1,464 images of `train`, never to train.
scored = dict(type='evaluate', config=semformer, split='train', cfg_options=with_caae)

stages = [
    dict(name='caae', type='train', config=caae),
    dict(
        name='semformer',
        type='train',
        config=semformer,
        cfg_options={**with_caae, 'train_dataloader.batch_size': 4}),
    # CAMs, and from them labels for the affinity network: background's constant first.
    dict(
        name='cams',
        type='generate',
        config=semformer,
        checkpoint='{semformer.checkpoint}',
        cfg_options=with_caae,
        split='train_aug',
        refine='seeds',
        bkg_thr=(0.15, 0.11),
        save=('cam', 'mask')),
    dict(name='cam_score', maps='{cams.cam}', thresholds='0.1:0.4:0.01', erode=True,
         **scored),
    dict(name='seed_score', maps='{cams.mask}', **scored),
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
        cams='{cams.cam}',
        split='train_aug',
        refine='rw',
        bkg_thr=0.25,
        preset='semformer_pseudo',
        save=('mask', )),
    dict(name='mask_score', maps='{masks.mask}', **scored),
    dict(
        name='segmenter',
        type='train',
        config=segmenter,
        cfg_options={'train_dataloader.dataset.side_inputs.mask.dir': '{masks.mask}'}),
    dict(
        name='test',
        type='test',
        config=segmenter,
        checkpoint='{segmenter.checkpoint}',
        args=('--post-processor', 'crf:deeplabv1')),
]  # yapf: disable
