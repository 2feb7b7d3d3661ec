# Licensed under Apache-2.0.
from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.io.errors import UserError
from mmwsss.io.metafiles import published
from mmwsss.io.pictures.reader import shown
from mmwsss.pipeline.predict.given_picture import GivenPicture
from mmwsss.pipeline.zoo_models import zoo_root
from mmwsss.visualization.overlays import resize_picture

from ..inferencer import WSSSInferencer
from .segmented_photo import SegmentedPhoto

#: longer side in pixels up to which a photo is shown
SHOWN_SIDE = 1024


class PhotoSegmenter:
    """Segments photos by models that are chosen by name; one is held at a time.

    Args:
        models: name → config and checkpoint; ``None`` as checkpoint: a model of the
            zoo, whose name it is.
        device: see :class:`.WSSSInferencer`.

    Raises:
        UserError: if there is no model.
    """

    def __init__(
        self, models: Mapping[str, tuple[str, str | None]], device: str | None = None
    ) -> None:
        if not models:
            raise UserError(
                'no model of the zoo has weights here: take the whole clone or wheel, '
                'folder zoo/ included, or give --config and --checkpoint'
            )
        self.models, self.device = dict(models), device
        self._held: tuple[str, WSSSInferencer] | None = None
        # the page's handlers run in threads
        self._one_at_a_time = threading.RLock()

    def classes(self, model: str) -> list[str]:
        """Names of a model's classes, without the background."""
        return self.inferencer(model).classes[1:]

    def __call__(self, model: str, path: str) -> SegmentedPhoto:
        """Segment a photo.

        Args:
            model: a name of ``models``.
            path: of the photo.

        Raises:
            DataError: if the file is no picture that the model reads; it is called by
                its name alone, not by the folder that a browser's upload went to.
            UserError: if there is no such model, or it gives no mask.
            FileNotFoundError: if the model's files are gone.
        """
        with self._one_at_a_time:
            inferencer = self.inferencer(model)
            picture = GivenPicture(Path(path).stem, path)
            rule = getattr(inferencer.model, 'picture', None)
            pixels = picture.pixels(rule)
            given = GivenPicture(picture.name, pixels)
            outputs = ('cam',) if self._has_cam(inferencer) else ()
            (found,) = inferencer(given, outputs=outputs)['predictions']
        return SegmentedPhoto(
            model,
            shrunk(shown(pixels, rule)),
            found,
            tuple(inferencer.classes),
            inferencer.palette,
        )

    def inferencer(self, model: str) -> WSSSInferencer:
        """The inferencer of a model; that of the one before is let go.

        Raises:
            UserError: see :meth:`__call__`.
        """
        with self._one_at_a_time:
            if self._held is not None and self._held[0] == model:
                return self._held[1]
            if model not in self.models:
                raise UserError(
                    f'there is no model {model!r}, but {", ".join(self.models)}'
                )
            self._held = None  # before the next one takes its memory
            built = WSSSInferencer(
                *self.models[model], device=self.device, show_progress=False
            )
            if not built.predictor().has_mask:
                raise UserError(f'{model} has no decoder and no labeler: no masks')
            self._held = (model, built)
            return built

    @staticmethod
    def _has_cam(inferencer: WSSSInferencer) -> bool:
        """Whether the model makes class maps."""
        predictor = inferencer.predictor()
        return predictor.ours and predictor.inner.cam_head is not None


def models_offered(
    config: str | None = None, checkpoint: str | None = None, root: Path | None = None
) -> dict[str, tuple[str, str | None]]:
    """What :class:`PhotoSegmenter` takes: a model of the user's own, then the zoo's.

    Of the zoo the best segmenter of photos comes first, networks of drawings last.

    Args:
        config: of the own model, which is called by its file's name.
        checkpoint: of the own model.
        root: of the zoo, see :func:`.zoo_root`.

    Raises:
        UserError: if one of both is given without the other.
    """
    if (config is None) != (checkpoint is None):
        raise UserError('--config and --checkpoint belong together: give both')
    own: dict[str, tuple[str, str | None]] = {}
    if config is not None:
        own[f'{Path(config).stem} (yours)'] = (config, checkpoint)
    entries = published(root or zoo_root())
    names = sorted(entries, key=lambda name: _place(entries[name]))
    return own | {name: (name, None) for name in names}


def _place(entry: Mapping[str, Any]) -> tuple[bool, float]:
    (result,) = entry['Results']
    return result['Dataset'] == 'Shapes', -result['Metrics'].get('seg_mIoU', 0.0)


def shrunk(photo: np.ndarray) -> np.ndarray:
    """A photo (H, W, 3) uint8 with its longer side at most :data:`SHOWN_SIDE`."""
    height, width = photo.shape[:2]
    scale = SHOWN_SIDE / max(height, width)
    if scale >= 1:
        return photo
    return resize_picture(photo, (round(height * scale), round(width * scale)))
