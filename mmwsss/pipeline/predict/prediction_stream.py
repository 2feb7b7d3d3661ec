# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from mmseg.structures import SegDataSample

from mmwsss.io.pictures.reader import shown

from ..inference import check_form, class_names
from .from_sample import prediction_of
from .given_picture import GivenPicture
from .left_out import noted
from .photo_prediction import PhotoPrediction
from .photo_predictor import PhotoPredictor
from .prediction_panel import prediction_panel
from .size_batches import batches_by_size

#: number of a picture, the picture, its pixels (H, W, N) uint8
Read: TypeAlias = tuple[int, GivenPicture, np.ndarray]


class PredictionStream:
    """Reads and predicts pictures one after the other; few are held at a time.

    Args:
        predictor: what predicts them.
        failed: gets source → message of pictures that can't be predicted; ``None``:
            the first one is raised.
        keep_samples: whether the model's samples are handed on too.
    """

    def __init__(
        self,
        predictor: PhotoPredictor,
        failed: dict[str, str] | None = None,
        keep_samples: bool = False,
    ) -> None:
        self.predictor, self.failed = predictor, failed
        self.keep_samples = keep_samples
        self.model = predictor.model
        self.rule = getattr(self.model, 'picture', None)
        self.classes = class_names(self.model)

    def __call__(
        self, pictures: Iterable[tuple[int, GivenPicture]], batch_size: int
    ) -> Iterator[tuple[int, np.ndarray, PhotoPrediction]]:
        """Predict pictures.

        Args:
            pictures: with their numbers.
            batch_size: at most so many of one size at once; large ones go alone.

        Yields:
            Number, pixels (H, W, N) uint8, prediction; pictures of several sizes in
            another order where ``batch_size`` is above 1.
        """
        for batch in batches_by_size(self._read(pictures), self._key, batch_size):
            samples: list[SegDataSample] = []
            with noted([picture for _, picture, _ in batch], self.failed):
                photos = [pixels for _, _, pixels in batch]
                samples = self.predictor(photos, batch[0][1].name)
            for (index, picture, pixels), sample in zip(batch, samples):
                yield index, pixels, self._prediction(picture, pixels, sample)

    def _read(self, pictures: Iterable[tuple[int, GivenPicture]]) -> Iterator[Read]:
        """Pictures with their pixels; those that can't be read are left out."""
        for index, picture in pictures:
            read: Sequence[Read] = ()
            with noted([picture], self.failed):
                pixels = picture.pixels(self.rule)
                check_form(self.model, pixels)
                read = ((index, picture, pixels),)
            yield from read

    def _key(self, one: Read) -> tuple[int, ...] | None:
        """Pictures of one key go through together; ``None``: alone."""
        _, picture, pixels = one
        alone = self.predictor.goes_alone(pixels.shape[:2], picture.name)
        return None if alone else pixels.shape

    def _prediction(
        self, picture: GivenPicture, pixels: np.ndarray, sample: SegDataSample
    ) -> PhotoPrediction:
        outputs = self.predictor.outputs
        found = prediction_of(sample, picture.name, picture.path, self.classes, outputs)
        if 'panel' in outputs:
            palette = self.model.dataset_meta.get('palette')
            found.panel = prediction_panel(
                shown(pixels, self.rule), sample, found, self.classes, palette
            )
        found.sample = sample if self.keep_samples else None
        return found
