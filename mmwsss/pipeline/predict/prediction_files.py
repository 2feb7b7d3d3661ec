# Licensed under Apache-2.0.
from __future__ import annotations

import csv
import io
import os
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mmwsss.io.atomic_file import write_atomic, write_picture
from mmwsss.io.label_png import save_label_png
from mmwsss.io.output_folder import claim_outputs
from mmwsss.io.pictures.georeference import copy_georeference
from mmwsss.io.score_files import save_scores

from .given_pictures import Given, names_given
from .photo_prediction import PhotoPrediction

#: scores of all pictures
SCORES = 'scores.csv'
#: output → how its file of a picture is called
FILES = dict(
    mask='{}.png',
    confidence='confidence/{}.png',
    cam='cam/{}.npz',
    prob='prob/{}.npz',
    pseudo='pseudo/{}.png',
    seg_logits='seg_logits/{}.npy',
    panel='panels/{}.png',
    geotiff='{}.tif',
)


class PredictionFiles:
    """Writes predictions into a folder: each file whole, none over an input.

    Masks lie in the folder itself, as ``NAME.png``; what else there is in folders of
    its own (:data:`FILES`), the scores of all pictures in :data:`SCORES`.

    Args:
        folder: made if it isn't there.
        outputs: keys of :data:`FILES`, and ``'scores'``.
        given: the pictures whose predictions will be written.
        inputs: further files that are read.
        palette: colours by class id.
        option: the tool's option that gives the folder, for messages.

    Raises:
        OutputError: if a file would be written where it must not be.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        outputs: Collection[str],
        given: Sequence[Given],
        inputs: Collection[str] = (),
        palette: Sequence[Sequence[int]] | None = None,
        option: str = 'out_dir',
    ) -> None:
        self.folder, self.palette = Path(folder), palette
        self.outputs = [name for name in FILES if name in outputs]
        planned = [
            (FILES[output].format(name), source)
            for name, source in names_given(given)
            for output in self.outputs
        ]
        self.rows: list[PhotoPrediction] | None = [] if 'scores' in outputs else None
        if self.rows is not None:
            planned.append((SCORES, 'the scores of all pictures'))
        read = [one.path for one in given if one.path and '://' not in one.path]
        claim_outputs(self.folder, planned, [*inputs, *read], option)

    def write(self, found: PhotoPrediction) -> None:
        """Write what there is of a prediction."""
        for output in self.outputs:
            path = self.folder / FILES[output].format(found.name)
            self._write(output, found, path)
        if self.rows is not None:
            self.rows.append(
                PhotoPrediction(found.name, None, found.size, scores=found.scores)
            )

    def finish(self) -> None:
        """Write the scores, a row a picture, in the order of their names."""
        if not self.rows:
            return
        text = io.StringIO()
        writer = csv.writer(text, lineterminator='\n')
        writer.writerow(['picture', *self.rows[0].scores])
        for row in sorted(self.rows, key=lambda one: one.name):
            writer.writerow([row.name, *(f'{v:.6f}' for v in row.scores.values())])
        write_atomic(text.getvalue().encode(), self.folder / SCORES)

    def _write(self, output: str, found: PhotoPrediction, path: Path) -> None:
        if output == 'geotiff':
            if found.mask is not None and found.path is not None:
                copy_georeference(found.path, found.mask, path, self.palette)
            return
        value = getattr(found, output)
        if value is None:
            return
        if output in ('mask', 'pseudo'):
            save_label_png(value, path, self.palette)
        elif output in ('cam', 'prob'):
            save_scores(path, value.maps, value.ids.tolist(), found.size)
        elif output == 'seg_logits':
            buffer = io.BytesIO()
            np.save(buffer, value)
            write_atomic(buffer.getvalue(), path, durable=False)
        else:
            pixels = grey_of(value) if output == 'confidence' else value
            write_picture(Image.fromarray(pixels), path)


def grey_of(confidence: np.ndarray) -> np.ndarray:
    """Confidence (H, W) in [0, 1] as grey levels uint8: round(255 p)."""
    grey = confidence * np.float32(255)
    return np.rint(grey, out=grey).astype(np.uint8)
