# Licensed under Apache-2.0.
"""Files of segments of one picture, as segment models and superpixels are written.

``NAME.json``
    A list of segments, or COCO's ``{'annotations': [...]}`` of one picture: each
    ``segmentation`` is ``{'size': [H, W], 'counts': runs}`` (COCO's run lengths, as a
    list or as the compressed string), beside it perhaps a score. The automatic mask
    generators of SAM write it with ``output_mode='coco_rle'``.
``NAME.npz``
    ``segments``: (H, W) whole numbers, 0 = none, or (N, H, W) masks of 0 and 1; of
    masks perhaps ``scores`` (N,).
``NAME.png``
    The number of a pixel's segment, up to 16 bits, 0 = none.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mmwsss.datasets.coco_masks import rle_mask, run_lengths
from mmwsss.io.data_errors import MaskError, SideInputError

from .ids_kind import decode_mask

SUFFIXES = ('.json', '.npz', '.png')
#: entries of a segment that may be its score; the first that is there counts
SCORES = ('score', 'predicted_iou', 'stability_score')
_AS_SAM = "write it as SAM's mask generator does with output_mode='coco_rle'"


@dataclass(frozen=True)
class SegmentFile:
    """The segments of one picture, in the order of their file.

    Attributes:
        path: the file.
        size: (H, W).
        ids: (H, W) int32, 0 = none, of files whose segments don't overlap; else
            ``None``.
        masks: of the others: (H, W) bool arrays, or runs as the file has them, which
            are laid out when they are needed.
        scores: (N,) float64, or ``None`` where the file has none.
    """

    path: str
    size: tuple[int, int]
    ids: np.ndarray | None
    masks: Sequence[Any] = ()
    scores: np.ndarray | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is no segment."""
        return not len(self.masks) if self.ids is None else not self.ids.any()

    @cached_property
    def areas(self) -> np.ndarray:
        """Pixels of each of the masks, (N,) int64.

        Raises:
            SideInputError: if its runs are none.
        """
        return np.asarray([self._area(i) for i in range(len(self.masks))], np.int64)

    def _area(self, number: int) -> int:
        if isinstance(self.masks[number], np.ndarray):
            return int(self.masks[number].sum())
        return int(sum(self._runs(number)[1::2]))

    def mask(self, number: int) -> np.ndarray:
        """(H, W) bool of one of the masks.

        Raises:
            SideInputError: if its runs don't add up to the picture.
        """
        if isinstance(self.masks[number], np.ndarray):
            return self.masks[number]
        try:
            return rle_mask(self._runs(number), self.size)
        except ValueError as err:
            raise self._no_segment(number, err) from err

    def _runs(self, number: int) -> Sequence[int]:
        try:
            runs = run_lengths(self.masks[number])
            if not all(isinstance(run, int) and run >= 0 for run in runs):
                raise ValueError('runs are whole numbers')
            return runs
        except (TypeError, ValueError) as err:
            raise self._no_segment(number, err) from err

    def _no_segment(self, number: int, err: Exception) -> SideInputError:
        problem = f'has a segment, number {number}, that is none ({err})'
        return SideInputError(self.path, problem, 'write it again')


def read_segments(content: bytes, path: str) -> SegmentFile:
    """Read a file by its suffix.

    Raises:
        SideInputError: if it can't be read, or holds something else.
    """
    if path.endswith('.json'):
        return _of_json(content, path)
    if path.endswith('.npz'):
        return _of_arrays(content, path)
    try:
        return _of_ids(decode_mask(content, path), path)
    except MaskError as err:
        fix = 'save the number of each segment as a PNG of one channel, 0 = none'
        raise SideInputError(path, err.problem, fix) from err


def _of_ids(ids: np.ndarray, path: str) -> SegmentFile:
    if ids.dtype.kind not in 'uib' or ids.min(initial=0) < 0:
        raise SideInputError(
            path,
            f'holds {ids.dtype} or numbers below 0',
            'write whole numbers, 0 = none',
        )
    return SegmentFile(path, _size(ids.shape), ids.astype(np.int32))


def _size(shape: Sequence[int]) -> tuple[int, int]:
    height, width = shape
    return int(height), int(width)


# --------------------------------------------------------------------------- arrays
def _of_arrays(content: bytes, path: str) -> SegmentFile:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            if 'segments' not in found:
                raise SideInputError(
                    path, f'holds {sorted(found.files)}', "name its array 'segments'"
                )
            array, scores = found['segments'], found.get('scores')
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as err:
        if isinstance(err, SideInputError):
            raise
        raise SideInputError(path, f'cannot be read ({err})', 'write it again') from err
    if array.ndim == 2:
        return _of_ids(array, path)
    if array.ndim != 3 or array.dtype.kind not in 'uib' or array.max(initial=0) > 1:
        raise SideInputError(
            path,
            f'holds segments {array.shape} {array.dtype}',
            'write numbers (H, W), 0 = none, or masks (N, H, W) of 0 and 1',
        )
    masks = array.astype(bool)
    if scores is not None:
        scores = _scores(scores.tolist(), len(masks), path)
    return SegmentFile(path, _size(array.shape[1:]), None, list(masks), scores)


def _scores(found: Any, count: int, path: str) -> np.ndarray:
    try:
        scores = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        scores = np.empty(0)
    if scores.shape != (count,) or not np.isfinite(scores).all():
        raise SideInputError(
            path,
            f'has scores that are not a number for each of {count} segments',
            'write one for each, or none',
        )
    return scores


# ----------------------------------------------------------------------------- JSON
def _of_json(content: bytes, path: str) -> SegmentFile:
    try:
        found = json.loads(content)
    except ValueError as err:
        raise SideInputError(path, f'is no JSON ({err})', _AS_SAM) from err
    if isinstance(found, Mapping):
        found = found.get('annotations')
    if not isinstance(found, list) or not all(isinstance(e, Mapping) for e in found):
        raise SideInputError(path, 'holds no list of segments', _AS_SAM)
    pictures = {str(entry['image_id']) for entry in found if 'image_id' in entry}
    if len(pictures) > 1:
        raise SideInputError(
            path,
            f'holds the segments of {len(pictures)} pictures',
            'write one file a picture, named as it',
        )
    if not found:
        return SegmentFile(path, (0, 0), None)
    sizes, runs = zip(*(_runs(entry, path) for entry in found), strict=True)
    if len({*sizes}) > 1:
        raise SideInputError(
            path, f'has segments of the sizes {[*{*sizes}][:2]}', _AS_SAM
        )
    key = next((name for name in SCORES if name in found[0]), None)
    scores = None
    if key is not None:
        scores = _scores([entry.get(key) for entry in found], len(found), path)
    return SegmentFile(path, sizes[0], None, runs, scores)


def _runs(entry: Mapping[str, Any], path: str) -> tuple[tuple[int, int], Any]:
    """(H, W) and the runs of one segment, as they lie."""
    segment: Any = entry.get('segmentation')
    try:
        height, width = segment['size']
        counts = segment['counts']
        if not isinstance(counts, (str, list)):
            raise TypeError(f'counts are {type(counts).__name__}')
        return (int(height), int(width)), counts
    except (TypeError, KeyError, ValueError) as err:
        lists = isinstance(segment, list)
        form = 'polygons or pixels' if lists else type(segment).__name__
        raise SideInputError(
            path, f'has a segment that is not of runs ({form}: {err})', _AS_SAM
        ) from err
