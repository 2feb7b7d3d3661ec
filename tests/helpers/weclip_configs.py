# Licensed under Apache-2.0.
"""Whole configs of WeCLIP and WeCLIP+ on tiny encoders, for pictures of 96 pixels."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config

CLASSES = ('background', *'abcdef')
TINY = dict(
    embed_dims=24,
    num_layers=4,
    num_heads=3,
    feedforward_channels=48,
)
#: the switch to RFM
BEGIN = 5
#: iterations from which WeCLIP+ corrects its labels
LATE = 3


def weclip_config(base: str = 'weclip_vit-b') -> Config:
    """A full-size model's settings on tiny encoders.

    Args:
        base: name of the file in ``configs/_base_/models``.
    """
    cfg = Config.fromfile(f'configs/_base_/models/{base}.py')
    changes: dict[str, Any] = dict(
        num_classes=len(CLASSES),
        backbone=dict(
            arch=dict(TINY, _delete_=True),
            img_size=32,
            patch_size=8,
            text_dims=14,
            attention_blocks=4,
        ),
        clip=dict(checkpoint=None, num_background=1),
        decode_head=dict(channels=16, depth=2, num_heads=2),
        refinement=dict(last_before=3, last_after=3),
        labeler=dict(refiner=dict(dilations=(1, 2), num_iters=3)),
        train_cfg=dict(rfm_begin=BEGIN),
        # the shared tests turn pictures
        test_cfg=dict(outputs=('seg', 'cam', 'pseudo'), cam=dict(mirror=True)),
    )
    if 'plus' in base:
        changes['backbone'] |= dict(out_indices=(2,))
        changes['dino'] = dict(
            _delete_=True,
            type='WSSSViT',
            arch=dict(TINY),
            img_size=32,
            patch_size=6,
            out_indices=(3,),
        )
        changes['train_cfg'] = dict(rfm_begin=0, late_label=dict(begin=LATE))
    merged = Config(Config._merge_a_into_b(changes, cfg._cfg_dict.to_dict()['model']))
    return Config(
        dict(
            default_scope='mmwsss',
            model=merged._cfg_dict.to_dict(),
            test_dataloader=dict(dataset=dict(metainfo=dict(classes=CLASSES))),
            tta_cfg=dict(
                outputs=('seg',),
                input=dict(long_side=72, scaling='factor'),
                seg=dict(
                    scales=(1.0, 0.75),
                    mirror=True,
                    pair='mean',
                    fuse='mean',
                    fuse_at='logits',
                ),
            ),
        )
    )
