# 20k iterations, AdamW, linear warm-up, cosine decay (as FSR; VOC: 4 GPUs x 2 images).
_base_ = ['./schedule_20k.py']

# Encoder 6e-5, heads ten times that. Decay 0.05 on matrices alone: not on norms,
# biases, tokens and the position embedding.
optim_wrapper = dict(
    optimizer=dict(weight_decay=0.05),
    paramwise_cfg=dict(
        flat_decay_mult=0.0,
        custom_keys={
            'backbone.pos_embed': dict(decay_mult=0.0),
            'backbone.mask_token': dict(decay_mult=0.0),
            'backbone.aggregation.cls_token': dict(decay_mult=0.0),
            # a longer key wins over `proj_head`
            'proj_head.mlp.0.bias': dict(lr_mult=10.0, decay_mult=0.0),
            'proj_head.mlp.2.bias': dict(lr_mult=10.0, decay_mult=0.0),
            'proj_head.mlp.4.bias': dict(lr_mult=10.0, decay_mult=0.0),
        },
    ),
)
# The decay ends at train_cfg.max_iters.
param_scheduler = [
    dict(type='CosineWarmupLR', warmup_iters=1500, warmup_ratio=0.1, by_epoch=False)
]
auto_scale_lr = dict(base_batch_size=8)
