# CLIP-ES on PASCAL VOC 2012: masks of a frozen CLIP, then a segmenter.
#   python tools/download.py clip-vit-b
#   python tools/model_converters/clip.py data/pretrained/ViT-B-16.pt \
#       data/pretrained/clip-es_vit-b_voc.pth \
#       --config configs/clip_es/clip-es_vit-b_voc.py
#   python tools/run_pipeline.py configs/clip_es/clip-es_voc_pipeline.py \
#       --launcher pytorch --gpus 2
clip_es = 'configs/clip_es/clip-es_vit-b_voc.py'
checkpoint = 'data/pretrained/clip-es_vit-b_voc.pth'
segmenter = 'configs/clip_es/deeplabv2_r101_voc-clip-es.py'
# Truth is read to score the 1,464 images of `train`, never to train.
scored = dict(type='evaluate', config=clip_es, split='train')

stages = [
    # By the labeler of the config: dense CRF, 255 where it is unsure. Image labels say
    # which classes there are.
    dict(
        name='masks',
        type='generate',
        config=clip_es,
        checkpoint=checkpoint,
        split='train_aug',
        save=('cam', 'mask'),
    ),
    dict(name='cam_score', maps='{masks.cam}', **scored),
    dict(name='mask_score', maps='{masks.mask}', **scored),
    dict(
        name='segmenter',
        type='train',
        config=segmenter,
        cfg_options={'train_dataloader.dataset.side_inputs.mask.dir': '{masks.mask}'},
    ),
    dict(
        name='test',
        type='test',
        config=segmenter,
        checkpoint='{segmenter.checkpoint}',
        args=('--post-processor', 'crf:deeplab'),
    ),
]
