# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmseg.structures import SegDataSample
from torch import nn

from mmwsss.io.errors import UserError, check_choice
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.segmentors.wrapped_segmentor import unwrap

from ..inference import large_pictures, packed, without_labels
from ..large_prediction import is_stitched, predict_large, too_large
from ..usual_size import say_shrunk, shrunk_size, shrunk_to, side_for

#: what may be asked for beside mask, confidence and scores
EXTRAS = ('cam', 'prob', 'pseudo', 'seg_logits', 'panel')


class PhotoPredictor:
    """Predicts pictures: those of one size together, large ones in windows and tiles.

    Args:
        model: from :func:`.init_model`.
        overrides: entries of ``test_cfg`` to replace.
        outputs: what is wanted beside mask, confidence and scores, of :data:`EXTRAS`.
        autocast: the context that the model runs in.

    Raises:
        UserError: if an output is unknown, or the model hasn't got it.
    """

    def __init__(
        self,
        model: nn.Module,
        overrides: Mapping[str, Any],
        outputs: Collection[str],
        autocast: torch.autocast,
    ) -> None:
        self.model, self.inner = model, unwrap(model)
        self.outputs, self.autocast = frozenset(outputs), autocast
        self.ours = isinstance(self.inner, WeakSegmentor)
        self._refuse()
        self.settings: dict[str, Any] = {}
        self.side, self.side_asked = side_for(model, overrides), 'input' in overrides
        if self.ours:
            self.settings = without_labels(model, overrides)
            self.settings['outputs'] = self._of_model()
            cam = self.settings.get('cam') or {}
            self.settings['cam'] = {**cam, 'strides': (1,)}

    @property
    def has_mask(self) -> bool:
        """Whether there is a label of every pixel."""
        inner = self.inner
        parts = (inner.decode_head, inner.labeler) if self.ours else (inner,)
        return any(part is not None for part in parts)

    def goes_alone(self, size: tuple[int, int], name: str = '') -> bool:
        """Whether a picture is predicted by itself, in tiles.

        Args:
            size: (H, W).
            name: of the picture, for the line that says so.
        """
        settings = self._settings_for(size, name)
        seen = shrunk_size(size, self.side)
        return too_large(self.model, size) or is_stitched(self.model, seen, settings)

    @torch.no_grad()
    def __call__(
        self, photos: Sequence[np.ndarray], name: str = ''
    ) -> list[SegDataSample]:
        """Samples of pictures of one size.

        Args:
            photos: (H, W, N) uint8; a single one where it goes alone.
            name: of the first, for messages.

        Raises:
            UserError: if an output is asked for that a large picture hasn't.
        """
        size = photos[0].shape[:2]
        settings = self._settings_for(size, name)
        say_shrunk(self.model, self.side, size, self.side_asked)
        with self.autocast:
            if self.goes_alone(size, name):
                settings['outputs'] = self._of_large()
                seen = shrunk_to(photos[0], self.side)
                return [predict_large(self.model, photos[0], settings, seen)]
            batch = packed(self.model, *photos, side=self.side)
            return self.model.predict(**batch, **settings)

    def _settings_for(self, size: tuple[int, int], name: str) -> dict[str, Any]:
        """Entries of ``test_cfg`` for pictures of a size."""
        if not self.ours:
            return {}
        large = large_pictures(self.model, self.settings)
        seen = shrunk_size(size, self.side)
        return self.settings | large.overrides(seen, name)

    def _refuse(self) -> None:
        for output in self.outputs:
            check_choice('outputs', output, EXTRAS)
        inner, ours = self.inner, self.ours
        lacking = dict(
            cam=not ours or inner.cam_head is None,
            pseudo=not ours or inner.labeler is None,
            seg_logits=ours and inner.decode_head is None,
            prob=ours and inner.decode_head is None,
        )
        for output in sorted(self.outputs):
            if lacking.get(output):
                raise UserError(
                    f'{type(inner).__name__} of this config has no {output!r}: leave '
                    'it out of the outputs'
                )

    def _of_model(self) -> tuple[str, ...]:
        """Outputs of the model for what is wanted."""
        decodes = self.inner.decode_head is not None
        labels = self.inner.labeler is not None
        wanted = dict(
            seg=decodes,
            prob=decodes,
            class_maps='cam' in self.outputs or not decodes,
            pseudo=labels and ('pseudo' in self.outputs or not decodes),
        )
        found = [name for name, there in wanted.items() if there]
        if 'panel' in self.outputs:
            own = self.inner.test_cfg.get('outputs', ())
            found += [name for name in own if name not in found]
        return tuple(found)

    def _of_large(self) -> tuple[str, ...]:
        """Outputs of the model for what is wanted of a large picture.

        Raises:
            UserError: for what there isn't.
        """
        lacking = sorted({'seg_logits', 'pseudo'} & self.outputs)
        if lacking:
            raise UserError(
                f'a picture that is predicted in windows or tiles has no {lacking}: '
                'leave them out of the outputs, or make the picture smaller '
                '(test_cfg.input.long_side)'
            )
        maps = bool({'cam', 'panel'} & self.outputs)
        wanted = dict(seg=True, prob='prob' in self.outputs, class_maps=maps)
        return tuple(name for name, there in wanted.items() if there)
