# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.io.data_errors import SideInputError
from mmwsss.io.image_files import picture_size
from mmwsss.registry import SIDE_INPUT_KINDS

from .ids_kind import IdsKind
from .segment_files import SUFFIXES, SegmentFile, read_segments

#: which of overlapping segments is on top
OVERLAPS = ('smallest', 'largest', 'score', 'first', 'last')


@SIDE_INPUT_KINDS.register_module(name='segments')
class SegmentsKind(IdsKind):
    """Segments of any model or of superpixels, one file a picture.

    The files are those of :mod:`.segment_files`. A pixel goes to one segment: of those
    that overlap one is on top. The map of numbers goes with the picture by nearest
    neighbours and is 0 outside. Packed: (1, H, W) int64, 0 = no segment; what stays of
    the segment at place n of its file has the number n + 1, files of numbers keep
    theirs.

    Args:
        overlap: which is on top: the ``'smallest'`` (parts before the whole; of equal
            ones the earlier), the ``'largest'``, that of the best ``'score'``, the
            ``'first'`` or the ``'last'`` of the file.
        min_area: segments of fewer pixels are left out.
        min_score: segments of a lower score are left out; files without scores are
            then refused.
        optional: whether pictures may have no file, or one without a segment: theirs
            is all 0.
    """

    suffixes = SUFFIXES
    error = SideInputError
    source = (
        'write one of every picture, or declare optional=True; superpixels: '
        'tools/dataset_converters/superpixels.py'
    )

    def __init__(
        self,
        overlap: str = 'smallest',
        min_area: int = 0,
        min_score: float | None = None,
        optional: bool = False,
    ) -> None:
        super().__init__(optional=optional)
        if overlap not in OVERLAPS:
            raise ValueError(f'overlap must be one of {OVERLAPS}, got {overlap!r}')
        self.overlap, self.min_area, self.min_score = overlap, min_area, min_score

    def check(self, path: str, info: Mapping[str, Any]) -> None:
        """Check size and number of the segments; runs aren't laid out."""
        size = picture_size(info['img_path'], info.get('picture'))
        self._read(path, info, size)

    def check_all(self, paths: Sequence[str]) -> None:
        """Refuse settings that leave no segment in any of the files."""
        left = [self.flat(read_segments(Path(p).read_bytes(), p)).any() for p in paths]
        if left and not any(left) and not self.optional:
            raise self.error(
                paths[0],
                f'keeps no segment of min_area={self.min_area}, '
                f'min_score={self.min_score}, nor do the others looked at',
                'lower them',
            )

    def load(
        self,
        path: str | None,
        results: Mapping[str, Any],
        backend_args: dict | None = None,
    ) -> np.ndarray:
        """(H, W) int32, 0 where no segment is."""
        size = tuple(results['ori_shape'])[:2]
        if path is None:
            return np.zeros(size, np.int32)
        segments = self._read(path, results, size, backend_args)
        return np.zeros(size, np.int32) if segments.is_empty else self.flat(segments)

    def _read(
        self,
        path: str,
        info: Mapping[str, Any],
        size: Sequence[int],
        backend_args: dict | None = None,
    ) -> SegmentFile:
        """A file that fits its picture and holds a segment.

        Raises:
            SideInputError: if it doesn't, naming it.
        """
        segments = read_segments(self.read(path, backend_args), path)
        if segments.is_empty:
            if self.optional:
                return segments
            raise self.error(
                path,
                'holds no segment',
                'write it again, or declare optional=True: the picture then has none',
            )
        self.check_size(path, segments.size, info, size)
        by_score = self.overlap == 'score' and segments.ids is None
        if segments.scores is None and (by_score or self.min_score is not None):
            raise self.error(
                path,
                'has segments without scores',
                f"choose an overlap of {OVERLAPS} other than 'score', and no min_score",
            )
        return segments

    def flat(self, segments: SegmentFile) -> np.ndarray:
        """One number a pixel (H, W) int32; of overlapping segments that on top.

        Args:
            segments: of a file.
        """
        if segments.ids is not None:
            ids, counts = np.unique(segments.ids, return_counts=True)
            kept = np.where(counts >= self.min_area, ids, 0)
            return kept[np.searchsorted(ids, segments.ids)].astype(np.int32)
        out = np.zeros(segments.size, np.int32)
        for number in self._from_below(segments):
            out[segments.mask(number)] = number + 1
        return out

    def _from_below(self, segments: SegmentFile) -> list[int]:
        """Places in the file of the segments that are kept, that on top last."""
        places = np.arange(len(segments.areas))
        order = dict(
            smallest=-segments.areas, largest=segments.areas, first=-places, last=places
        ).get(self.overlap, segments.scores)
        assert order is not None  # files without scores have been refused
        # of equal ones the earlier is on top
        found = np.lexsort((-places, order))
        kept = segments.areas >= max(self.min_area, 1)
        if self.min_score is not None and segments.scores is not None:
            kept &= segments.scores >= self.min_score
        return [int(place) for place in found if kept[place]]

    def __repr__(self) -> str:
        return f'{type(self).__name__}(overlap={self.overlap!r})'
