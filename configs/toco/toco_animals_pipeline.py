# ToCo as a labeller on VOC Animals: ToCo -> walk over the tokens -> CRF -> mmseg's
# DeepLabV3 on the same encoder.
#   python tools/run_pipeline.py configs/toco/toco_animals_pipeline.py
import os

toco = 'configs/toco/toco_deit-t_animals.py'
walk = 'configs/toco/token_walk_toco_deit-t_animals.py'
segmenter = 'configs/pseudo/deeplabv3_deit-t_animals-pseudo.py'
root = os.environ.get('MMWSSS_VOC_ANIMALS', 'data/voc_animals')
truth = f'{root}/masks'  # read to score, never to train

stages = [
    dict(name='toco', type='train', config=toco),
    dict(name='toco_test', type='test', config=toco, checkpoint='{toco.checkpoint}'),
    # at the stride of the tokens
    dict(
        name='maps',
        type='generate',
        config=toco,
        checkpoint='{toco.checkpoint}',
        split='train',
        refine='none',
        stride=16,
        save=('cam',),
    ),
    dict(
        name='masks',
        type='generate',
        config=walk,
        checkpoint='{toco.checkpoint}',
        split='train',
        cams='{maps.cam}',
        refine='rw',
        bkg_thr=0.7,
        preset='deeplab',
        save=('cam', 'mask'),
    ),
    dict(name='cam_score', type='evaluate', maps='{maps.cam}', ann_dir=truth),
    dict(name='walk_score', type='evaluate', maps='{masks.cam}', ann_dir=truth),
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
