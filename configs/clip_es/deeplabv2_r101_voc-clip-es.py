# CLIP-ES's last stage: DeepLab-v2 on its masks, whose unsure pixels are 255 and don't
# count. With the published CRF: tools/test.py ... --post-processor crf:deeplab
#
# lr 2e-4 is for ImageNet weights; with those trained on COCO the authors take 2.5e-5.
_base_ = ['../pseudo/deeplabv2_r101_voc-pseudo.py']

model = dict(
    decode_head=dict(loss_decode=dict(type='ConfidenceGuidedLoss')),
    # labels on each grid as PIL resizes them: the pixel at the centre
    train_cfg=dict(label_resize='nearest-exact'),
)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
