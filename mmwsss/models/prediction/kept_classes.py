# Licensed under Apache-2.0.
"""Which classes a network finds in a picture: by its classification, by its decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

#: filter → tokens that a class must have at least in the decoder's label (MoRe's
#: release: in its validation, in its test tool)
MIN_TOKENS = dict(pred_else_seg=5, seg_else_pred=4)


def classes_of_scores(scores: Tensor) -> list[list[int]]:
    """CAM channels above a probability of 0.5, of (B, C) logits, for each image."""
    return [row.nonzero().flatten().tolist() for row in (scores > 0).cpu()]


def classes_of_label(label: Tensor, min_tokens: int) -> list[int]:
    """CAM channels of the classes that a label shows.

    As MoRe's release: the smallest id is taken to be the background and isn't counted.
    Where there is no background, the first class stays, however small it is.

    Args:
        label: (h, w) ids 0..C.
        min_tokens: a class with fewer is left out.
    """
    ids, counts = torch.unique(label.cpu(), return_counts=True)
    large = counts >= min_tokens
    large[0] = True
    return [int(i) - 1 for i in ids[large] if i > 0]


def kept_classes(how: str, scores: Tensor, labels: Tensor | None) -> list[list[int]]:
    """The classes of each image, as CAM channels.

    Args:
        how: ``'pred'``: those of the classification; ``'pred_else_seg'``: where there
            are none, those of the decoder; ``'seg_else_pred'``: those of the decoder
            wherever it shows foreground, and otherwise the classification's.
        scores: (B, C) logits.
        labels: (B, h, w) the decoder's label on its own grid, ids 0..C; ``None`` where
            ``how`` reads none.
    """
    found: Sequence[list[int]] = classes_of_scores(scores)
    if labels is None:
        return list(found)
    shown = [classes_of_label(label, MIN_TOKENS[how]) for label in labels]
    if how == 'pred_else_seg':
        return [own or other for own, other in zip(found, shown, strict=True)]
    any_object = (labels > 0).flatten(1).any(1).tolist()
    return [
        other if there else own
        for own, other, there in zip(found, shown, any_object, strict=True)
    ]
