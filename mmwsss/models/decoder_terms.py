# Licensed under Apache-2.0.
"""The loss terms of a decoder: on a pseudo label, and on the pixels that are known."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from mmwsss.cam import resize
from mmwsss.structures import PARTIAL, Features

if TYPE_CHECKING:
    from .segmentors.weak_segmentor import WeakSegmentor

#: the terms that learn from a pseudo label
OF_PSEUDO_LABELS = frozenset(('seg', 'reg'))


def with_partial_loss(
    losses: Mapping[str, dict | None] | None, weights: MutableMapping[str, Any]
) -> dict[str, dict]:
    """The losses of a config, with one for the term ``partial`` if it has a weight.

    Args:
        losses: term → config of its loss module; ``None`` takes the term out, and its
            weight.
        weights: ``train_cfg.weights``.
    """
    found = {term: cfg for term, cfg in (losses or {}).items() if cfg is not None}
    for term in set(losses or {}) - set(found):
        weights.pop(term, None)
    default = {PARTIAL: dict(type='PixelCrossEntropy')} if PARTIAL in weights else {}
    return {**default, **found}


def decoder_terms(
    model: WeakSegmentor,
    features: Features,
    images: Tensor | None,
    label: Tensor | None,
    box: Tensor | None,
    side: Mapping[str, Tensor] | None,
) -> dict[str, Tensor]:
    """The active ones of L_seg, L_reg and L_partial, from one pass of the decoder.

    Args:
        model: with its decoder and losses.
        features: of the images.
        images: (B, 3, H, W), normalised; needed for L_reg.
        label: (B, H, W) pseudo label, 255 = ignored; ``None``: L_partial alone.
        box: (B, 4) real pixels, or ``None``.
        side: side inputs; ``partial`` is (B, H, W) int64, 0..C where a pixel is known,
            255 elsewhere.
    """
    known = (side or {}).get(PARTIAL)
    active = model.active
    of_label = active & OF_PSEUDO_LABELS if label is not None else frozenset()
    partial = known is not None and PARTIAL in active
    if not of_label and not partial:
        return {}
    if model.train_cfg.get('detach_decoder', False):
        features = features._replace(maps=tuple(m.detach() for m in features.maps))
    target = known if label is None else label
    assert target is not None
    # Resized once for all losses, in float32.
    logits = resize(model.seg_logits(features).float(), tuple(target.shape[-2:]))
    terms = {}
    if 'seg' in of_label:
        terms['seg'] = model.losses['seg'](logits, label)
    if 'reg' in of_label:
        grey = model.grey_levels(images)
        terms['reg'] = model.losses['reg'](grey, logits, label, box)
    if partial:
        terms[PARTIAL] = model.losses[PARTIAL](logits, known)
    return terms
