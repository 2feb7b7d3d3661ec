# Licensed under Apache-2.0.
"""How unsure a network is of a picture, by several measures at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cam import long_side_size, threshold_label
from mmwsss.evaluation.uncertainty import (
    disagreement,
    entropy_map,
    label_contradiction,
    margin_map,
    probabilities_of_maps,
)
from mmwsss.io.errors import UserError, check_choice
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.segmentors.wrapped_segmentor import unwrap
from mmwsss.pipeline.inference import class_names, packed, predict_image
from mmwsss.pipeline.prediction_cost import LargePictures, window_of

from ..photos import Photo

#: what pictures can be ranked by
MEASURES = ('entropy', 'margin', 'disagreement', 'label')


class PictureScores(NamedTuple):
    """Uncertainty of one picture, each in [0, 1]; NaN: can't be said.

    Attributes:
        entropy: mean of :func:`.entropy_map`.
        margin: mean of :func:`.margin_map`.
        disagreement: of the segmentation and the CAM, see :func:`.disagreement`.
        label: see :func:`.label_contradiction`; of a picture with a known image label.
        contradicted: class id of that; 0: none.
    """

    entropy: float
    margin: float
    disagreement: float
    label: float
    contradicted: int


class Predicted(NamedTuple):
    """What a network says of one picture, at its size.

    Attributes:
        sample: all of it.
        prob: (L, H, W) probabilities that sum to 1.
        seg: (H, W) class ids of the decoder, or ``None``.
        cam: (H, W) class ids of the CAM above the threshold, or ``None``.
    """

    sample: SegDataSample
    prob: Tensor
    seg: Tensor | None
    cam: Tensor | None


class PictureScorer:
    """Predicts pictures and scores how unsure the network is.

    Probabilities are the decoder's; of a network without one
    :func:`.probabilities_of_maps` of its CAMs. No image label is read for them.

    Args:
        model: from :func:`.init_model`, of mmwsss or mmseg.
        by: one of :data:`MEASURES`, the one that is ranked by.
        bkg_thr: threshold of the CAM for ``disagreement``.

    Raises:
        UserError: if the model can't say what is ranked by.
    """

    def __init__(self, model: nn.Module, by: str, bkg_thr: float = 0.5) -> None:
        check_choice('by', by, MEASURES)
        self.model, self.by, self.bkg_thr = model, by, bkg_thr
        inner = unwrap(model)
        self.num_classes = len(class_names(model))
        self.ours = isinstance(inner, WeakSegmentor)
        self.decodes = not self.ours or inner.decode_head is not None
        self.has_cam = self.ours and inner.cam_head is not None
        self._refuse(by)
        self.overrides: dict[str, Any] = {}
        if self.ours:
            self.overrides['outputs'] = self._outputs()
        if not self.decodes:
            self.overrides['cam'] = dict(strides=(1,))
        self.large = LargePictures(model, self.overrides, fewer_views=True)
        self.side = window_of(model, inner)

    def _outputs(self) -> tuple[str, ...]:
        wanted = dict(seg=self.decodes, cam=self.has_cam, class_maps=not self.decodes)
        return tuple(name for name, there in wanted.items() if there)

    def _refuse(self, by: str) -> None:
        lacking = dict(
            disagreement='a decoder' if not self.decodes else 'CAMs',
            label='a classifier of the whole picture',
        )
        fits = dict(disagreement=self.decodes and self.has_cam, label=self.ours)
        if not fits.get(by, True):
            raise UserError(
                f'--by {by} needs {lacking[by]}, which this network has not: '
                'take --by entropy or margin'
            )

    def predict(self, photo: Photo, pixels: np.ndarray) -> Predicted:
        """What the network says of a picture (H, W, N) uint8."""
        windows = self.large.overrides(pixels.shape[:2], photo.name)
        sample = predict_image(self.model, pixels, **self.overrides | windows)
        seg = cam = None
        if self.decodes:
            prob = sample.seg_logits.data.float().softmax(0)
            seg = sample.pred_sem_seg.data[0]
        else:
            prob = probabilities_of_maps(sample.class_maps[1].maps)
        if 'pred_cam' in sample:
            strongest = sample.pred_cam
            cam = threshold_label(strongest.score, strongest.label, self.bkg_thr)[0]
        return Predicted(sample, prob, seg, cam)

    def scores(self, photo: Photo, found: Predicted) -> PictureScores:
        """All measures of a picture."""
        differ, label, contradicted = np.nan, np.nan, 0
        if found.seg is not None and found.cam is not None:
            differ = disagreement(found.seg, found.cam, self.num_classes)
        if photo.labels is not None and 'pred_score' in found.sample:
            score = found.sample.pred_score
            label, contradicted = label_contradiction(score, photo.labels)
        return PictureScores(
            float(entropy_map(found.prob, self.num_classes).mean()),
            float(margin_map(found.prob).mean()),
            differ,
            label,
            contradicted,
        )

    def heat(self, found: Predicted) -> np.ndarray:
        """(H, W) in [0, 1]: where the network is unsure, by what is ranked by.

        An image label says nothing of places: for it the entropy is shown.
        """
        if self.by == 'disagreement' and found.seg is not None:
            heat = (found.seg != found.cam).float()
        elif self.by == 'margin':
            heat = margin_map(found.prob)
        else:
            heat = entropy_map(found.prob, self.num_classes)
        return heat.cpu().numpy()

    @torch.no_grad()
    def feature(self, pixels: np.ndarray) -> np.ndarray:
        """(D,) mean of the backbone's last map, of the picture made small."""
        batch = packed(self.model, pixels)
        image = torch.stack(list(batch['inputs']))
        size = long_side_size(tuple(image.shape[-2:]), self.side)
        small = F.interpolate(
            image, size, mode='bilinear', align_corners=False, antialias=True
        )
        maps = unwrap(self.model).extract_feat(small)[-1]
        return maps.float().mean((-2, -1))[0].cpu().numpy()
