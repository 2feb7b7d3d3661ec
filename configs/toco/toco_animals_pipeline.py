# ToCo as a labeller on VOC Animals: ToCo -> masks of the training photos -> mmseg's
# DeepLabV3 on the same encoder.
#   python tools/run_pipeline.py configs/toco/toco_animals_pipeline.py
import os

toco = 'configs/toco/toco_deit-t_animals.py'
segmenter = 'configs/pseudo/deeplabv3_deit-t_animals-pseudo.py'
root = os.environ.get('MMWSSS_VOC_ANIMALS', 'data/voc_animals')
truth = f'{root}/masks'  # read to score, never to train

stages = [
    dict(name='toco', type='train', config=toco),
    dict(name='toco_test', type='test', config=toco, checkpoint='{toco.checkpoint}'),
    dict(
        name='masks',
        type='generate',
        config=toco,
        checkpoint='{toco.checkpoint}',
        split='train',
        refine='par',
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
