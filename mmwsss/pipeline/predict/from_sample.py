# Licensed under Apache-2.0.
"""From a model's sample to what a user gets of a picture."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.cam import confidence_map
from mmwsss.evaluation.uncertainty import probabilities_of_maps
from mmwsss.structures import StoredMaps

from .photo_prediction import PhotoPrediction


def prediction_of(
    sample: SegDataSample,
    name: str,
    path: str | None,
    classes: Sequence[str],
    outputs: Collection[str],
) -> PhotoPrediction:
    """The prediction of a picture; nothing is kept but what is asked for.

    Args:
        sample: of a model of ours or of mmseg.
        name: see :class:`.PhotoPrediction`.
        path: likewise.
        classes: names by id, background first.
        outputs: what is asked for besides mask, confidence and scores.
    """
    height, width = sample.metainfo['ori_shape'][:2]
    found = PhotoPrediction(name, path, (int(height), int(width)))
    prob, maps = class_probabilities(sample), stored(sample, 'class_maps')
    found.mask = mask_of(sample)
    found.confidence = confidence_of(sample, prob, maps)
    if 'pred_score' in sample:
        scores = sample.pred_score.float().tolist()
        found.scores = dict(zip(classes[1:], scores, strict=True))
    if 'cam' in outputs:
        found.cam = maps
    if 'prob' in outputs:
        found.prob = stored(sample, 'prob_maps') or with_ids(prob)
    if 'pseudo' in outputs and 'pred_pseudo' in sample:
        found.pseudo = sample.pred_pseudo.data[0].byte().cpu().numpy()
    if 'seg_logits' in outputs and 'seg_logits' in sample:
        found.seg_logits = sample.seg_logits.data.float().cpu().numpy()
    coarse = [field for field in ('prob_maps', 'class_maps') if field in sample]
    found.stride = min((min(sample.get(field)) for field in coarse), default=1)
    return found


def class_probabilities(sample: SegDataSample) -> Tensor | None:
    """(C + 1, H, W) float32 at the picture's size, where the sample has them.

    Of a plain segmentor of mmseg the softmax of its logits; one channel is a sigmoid's.
    """
    if 'pred_prob' in sample:
        return sample.pred_prob.data.float()
    if 'seg_logits' not in sample:
        return None
    logits = sample.seg_logits.data.float()
    if len(logits) == 1:  # mmseg has taken the sigmoid
        return torch.cat([1 - logits, logits])
    return logits.softmax(0)


def mask_of(sample: SegDataSample) -> np.ndarray | None:
    """(H, W) uint8: the decoder's label, else the pseudo label, else ``None``."""
    for field in ('pred_sem_seg', 'pred_pseudo'):
        if field in sample:
            return sample.get(field).data[0].byte().cpu().numpy()
    return None


def confidence_of(
    sample: SegDataSample, prob: Tensor | None, maps: StoredMaps | None
) -> np.ndarray | None:
    """(H, W) float32, see :class:`.PhotoPrediction`.

    Args:
        sample: with ``pred_confidence`` where it was made tile by tile.
        prob: of all classes, or ``None``.
        maps: of a network without a decoder, at the picture's size.
    """
    if 'pred_confidence' in sample:
        return sample.pred_confidence.data[0].cpu().numpy()
    if prob is None and maps is None:
        return None
    if prob is None:
        assert maps is not None
        prob = probabilities_of_maps(torch.as_tensor(maps.maps).float())
    return confidence_map(prob).cpu().numpy()


def stored(sample: SegDataSample, field: str) -> StoredMaps | None:
    """The finest maps of a field, as arrays."""
    if field not in sample:
        return None
    by_stride: dict[int, Any] = sample.get(field)
    maps, ids = by_stride[min(by_stride)]
    return StoredMaps(maps.float().cpu().numpy(), ids.cpu().numpy())


def with_ids(prob: Tensor | None) -> StoredMaps | None:
    """Probabilities of all classes, with the ids of their channels."""
    if prob is None:
        return None
    return StoredMaps(prob.cpu().numpy(), np.arange(len(prob)))
