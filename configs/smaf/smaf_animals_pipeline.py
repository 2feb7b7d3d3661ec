# SMAF on top of ToCo: ToCo -> self-training -> CRF masks of the training pictures ->
# mmseg's DeepLabV3, on VOC Animals. For another base name its two configs. In the work
# dir of configs/toco/toco_animals_pipeline.py the base is there already.
#   python tools/run_pipeline.py configs/smaf/smaf_animals_pipeline.py
import os

base = 'configs/toco/toco_deit-t_animals.py'
smaf = 'configs/smaf/smaf_toco_deit-t_animals.py'
segmenter = 'configs/pseudo/deeplabv3_deit-t_animals-pseudo.py'
root = os.environ.get('MMWSSS_VOC_ANIMALS', 'data/voc_animals')
truth = f'{root}/masks'  # read to score, never to train

stages = [
    dict(name='toco', type='train', config=base),
    dict(name='toco_test', type='test', config=base, checkpoint='{toco.checkpoint}'),
    dict(
        name='smaf',
        type='train',
        config=smaf,
        cfg_options={'model.checkpoint': '{toco.checkpoint}'},
    ),
    dict(name='smaf_test', type='test', config=smaf, checkpoint='{smaf.checkpoint}'),
    # Hard labels of confidence 0.7, all 7 labels in the CRF.
    dict(
        name='smaf_masks',
        type='generate',
        config=smaf,
        checkpoint='{smaf.checkpoint}',
        split='train',
        refine='crf',
        preset='smaf_pseudo',
        unary='labels',
        num_classes=7,
        bkg_thr=0.45,
        save=('cam', 'mask'),
    ),
    dict(
        name='smaf_cam_score', type='evaluate', maps='{smaf_masks.cam}', ann_dir=truth
    ),
    dict(
        name='smaf_mask_score', type='evaluate', maps='{smaf_masks.mask}', ann_dir=truth
    ),
    dict(
        name='smaf_segmenter',
        type='train',
        config=segmenter,
        cfg_options={
            'train_dataloader.dataset.side_inputs.mask.dir': '{smaf_masks.mask}'
        },
    ),
    dict(
        name='smaf_segmenter_test',
        type='test',
        config=segmenter,
        checkpoint='{smaf_segmenter.checkpoint}',
    ),
]
