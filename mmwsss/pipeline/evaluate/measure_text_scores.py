# Licensed under Apache-2.0.
"""Scores of class texts for the pictures of a split, beside their image labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from mmwsss.cli.progress_bar import progress_bar
from mmwsss.io.errors import UserError
from mmwsss.models.segmentors.wrapped_segmentor import unwrap
from mmwsss.models.texts.class_texts import ClassTexts
from mmwsss.pipeline.generate.split_images import build_split, loader_of, split_cfg


class TextScores(NamedTuple):
    """Labels and scores.

    Attributes:
        truth: multi-hot (N, C).
        score: (N, C) probabilities of the texts.
        classes: C names.
        failed: by name, what is wrong with pictures that can't be read.
    """

    truth: np.ndarray
    score: np.ndarray
    classes: Sequence[str]
    failed: dict[str, str]


@torch.no_grad()
def measure_text_scores(
    model: nn.Module, split: str | None = None, limit: int | None = None
) -> TextScores:
    """Score the pictures of a split by the class texts of a network.

    Args:
        model: from :func:`.init_model`, with text vectors (CLIP-ES, WeCLIP).
        split: of the config's data; ``None``: the training images.
        limit: at most so many pictures, the first.

    Raises:
        UserError: if the network has no texts.
        LabelError: naming the first picture without image labels.
    """
    if not isinstance(getattr(unwrap(model), 'texts', None), ClassTexts):
        raise UserError(
            f'{type(unwrap(model)).__name__} of {model.cfg.filename} has no class '
            'texts: give a network of CLIP-ES or WeCLIP'
        )
    data = split_cfg(model.cfg, split, 'gt')
    if limit is not None:
        data['indices'] = limit
    dataset = build_split(data, 'gt')
    truth, score, failed = [], [], {}
    with progress_bar(len(dataset)) as bar:
        for batch, unread in loader_of(dataset, [[i] for i in range(len(dataset))], 0):
            failed.update(unread)
            if batch is not None:
                found = model.predict(
                    **model.data_preprocessor(batch, False), outputs=()
                )
                truth += [sample.gt_score.cpu().numpy() for sample in found]
                score += [sample.pred_score.cpu().numpy() for sample in found]
            bar.update()
    if not truth:
        raise UserError('no picture of the split can be read')
    names = dataset.metainfo['classes'][1:]
    return TextScores(np.stack(truth), np.stack(score), names, failed)
