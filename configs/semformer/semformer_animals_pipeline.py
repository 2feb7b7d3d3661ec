# SemFormer on VOC Animals, all stages:
#   python tools/run_pipeline.py configs/semformer/semformer_animals_pipeline.py
import os

caae = 'configs/semformer/caae_deit-t_animals.py'
semformer = 'configs/semformer/semformer_deit-t_animals.py'
affinity = 'configs/irn/irn_r18_animals.py'
segmenter = 'configs/pseudo/deeplabv3_deit-t_animals-pseudo.py'
root = os.environ.get('MMWSSS_VOC_ANIMALS', 'data/voc_animals')
truth = f'{root}/masks'  # read to score, never to train
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
        save=('cam', )),
    # CAMs, and from them labels for the affinity network: background's constant first.
    dict(
        name='cams',
        type='generate',
        config=semformer,
        checkpoint='{semformer.checkpoint}',
        cfg_options=with_caae,
        split='train',
        refine='seeds',
        bkg_thr=(0.15, 0.11),
        save=('cam', 'mask')),
    dict(name='plain_cam_score', type='evaluate', maps='{plain_cams.cam}',
         ann_dir=truth),
    dict(name='cam_score', type='evaluate', maps='{cams.cam}', ann_dir=truth),
    dict(name='crf_score', type='evaluate', maps='{cams.cam}', ann_dir=truth,
         img_dir=f'{root}/images', crf='irn', thresholds='0.1:0.3:0.1'),
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
