# Licensed under Apache-2.0.
"""A run with what its network makes of pictures, or why there is nothing of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mmwsss.evaluation.confusion import pictures_together
from mmwsss.io.errors import UserError
from mmwsss.io.provenance_text import provenance_lines

from ..inference import init_model
from .network_runner import NetworkRunner
from .picture_pass import PicturePass, run_pass
from .picture_set import build_picture_set, in_short, training_labels
from .picture_tiles import ShownPicture, draw_pictures
from .run_folder import RunFolder

#: what may be wrong with checkpoint or data without the rest of a report being so
_EXPECTED = (UserError, OSError, ValueError, KeyError)


@dataclass
class LookedAt:
    """One run of a report.

    Attributes:
        run: what its folder holds.
        found: what came of its pictures, ``None`` if none were looked at.
        runner: of its network, to draw with.
        notes: what is left out, and why; what a reader should know.
        together: (C, C) pictures of the training data with both of two classes;
            ``None`` if it isn't known.
        foreground: names of the C classes.
        provenance: what the checkpoint says of code, settings, data and parents.
    """

    run: RunFolder
    found: PicturePass | None = None
    runner: NetworkRunner | None = None
    notes: list[str] = field(default_factory=list)
    together: np.ndarray | None = None
    foreground: tuple[str, ...] = ()
    provenance: str = ''

    def draw(self, names: Sequence[str]) -> Mapping[str, ShownPicture]:
        """Draw those of the pictures that were looked at, by name."""
        if self.found is None or self.runner is None:
            return {}
        wanted = set(names)
        indices = {p.index: p.name for p in self.found.pictures if p.name in wanted}
        return draw_pictures(self.runner, indices, self.found.classes)


def look_at(run: RunFolder, pictures: int, device: str) -> LookedAt:
    """Run a run's network over pictures of its test set, where that can be done.

    Args:
        run: what its folder holds.
        pictures: how many at most; 0: none.
        device: of the network.
    """
    looked = LookedAt(run)
    _look_at_labels(looked)
    if pictures == 0:
        looked.notes.append('No picture was looked at (--pictures 0).')
    elif run.config is None or run.config.get('model') is None:
        looked.notes.append('No picture was looked at: the run left no config.')
    elif run.checkpoint is None:
        looked.notes.append('No picture was looked at: the run left no checkpoint.')
    else:
        try:
            _look_at_pictures(looked, pictures, device)
        except _EXPECTED as error:
            looked.found = looked.runner = None
            looked.notes.append(f'No picture was looked at: {in_short(error)}')
    return looked


def _look_at_pictures(looked: LookedAt, pictures: int, device: str) -> None:
    run, notes = looked.run, looked.notes
    assert run.config is not None and run.checkpoint is not None
    picture_set = build_picture_set(run.config, pictures)
    model = init_model(run.config, str(run.checkpoint), device)
    if model.provenance is not None:  # older checkpoints say nothing
        looked.provenance = '\n'.join(provenance_lines(model.provenance))
    looked.runner = NetworkRunner(model, picture_set)
    looked.found = run_pass(looked.runner, run.config)
    if picture_set.without_masks:
        notes.append(
            'There are no masks, so IoU, false positives and negatives, confusion and '
            'the sweep of thresholds are left out, and the pictures are ordered by '
            f'confidence ({picture_set.without_masks}).'
        )
    if looked.runner.reads_labels:
        notes.append(
            "The CAMs of each picture are those of its true image labels (cam_filter='"
            "gt'); the segmentation reads none."
            if picture_set.labelled
            else "Image labels aren't known: CAMs are those of the predicted classes."
        )
    if looked.runner.unreadable:
        first = next(iter(looked.runner.unreadable.values()))
        count = len(looked.runner.unreadable)
        notes.append(f'{count} pictures could not be read, the first: {first}')


def _look_at_labels(looked: LookedAt) -> None:
    """Count the image labels of the training data."""
    if looked.run.config is None:
        return
    try:
        labels, looked.foreground = training_labels(looked.run.config)
    except _EXPECTED as error:
        looked.notes.append(
            f"Which classes come together in training isn't known: {in_short(error)}"
        )
        return
    if labels:
        looked.together = pictures_together(labels, len(looked.foreground))
