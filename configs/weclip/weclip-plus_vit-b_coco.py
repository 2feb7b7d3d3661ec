_base_ = [
    '../_base_/models/weclip-plus_vit-b.py',
    '../_base_/datasets/coco14_320.py',
    '../_base_/schedules/weclip_80k.py',
    '../_base_/default_runtime.py',
]

# What the file of the frozen encoder and its texts is made of, see the README.
pretrained = 'data/pretrained/ViT-B-16.pt'

model = dict(
    num_classes={{_base_.num_classes}},
    backbone=dict(attention_blocks=8, stream_block=-1),
    # without the words that are classes here: keyboard, sign
    clip=dict(checkpoint='data/pretrained/clip-es_vit-b_coco.pth', num_background=23),
    refinement=dict(threshold=0.7, last_before=8, last_after=8),
    train_cfg=dict(late_label=dict(begin=40001)),
)
optim_wrapper = dict(
    optimizer=dict(lr=2e-5),
    paramwise_cfg=dict(custom_keys=dict(dino_fusion=dict(lr_mult=10.0))),
)
train_dataloader = dict(batch_size=8)
auto_scale_lr = dict(base_batch_size=8)
randomness = dict(seed=1)

# `tools/test.py --tta`: long side 512, mean of the mirrored pair and over scales. With
# dense CRF: --cfg-options tta_cfg.post_processor.type=DenseCRF
# tta_cfg.post_processor.preset=afa
tta_cfg = dict(
    outputs=('seg',),
    input=dict(long_side=512, scaling='factor'),
    seg=dict(
        scales=(1.0, 1.5), mirror=True, pair='mean', fuse='mean', fuse_at='logits'
    ),
)
