# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from mmengine.structures import PixelData

from mmwsss.datasets.transforms import functional as F
from mmwsss.io.data_errors import ScoreError
from mmwsss.io.image_files import picture_size
from mmwsss.io.score_files import load_scores, stored_header
from mmwsss.registry import SIDE_INPUT_KINDS

from .side_input_kind import SideInputKind


@SIDE_INPUT_KINDS.register_module(name='maps')
class MapsKind(SideInputKind):
    """Maps of scores of the classes that an image holds: fused CAMs.

    The files are those of :mod:`mmwsss.io.score_files`; images without labels have
    none. One map is taken for each label, in ascending order; other maps of the file
    are noise and left out. Maps that are stored coarser than the image are brought to
    its size first. They go with the picture, bilinear and corner-aligned, and are 0
    outside (SMAF's release). Packed: (K, H, W) float32.
    """

    suffixes = ('.npz', '.npy')
    error = ScoreError
    source = (
        'give the folder DIR/fused of tools/generate_pseudo_labels.py --out DIR '
        '--save fused, of this split'
    )

    def has_file(self, info: Mapping[str, Any]) -> bool:
        """Whether the image has labels."""
        return bool(info['gt_labels'])

    def check(self, path: str, info: Mapping[str, Any]) -> None:
        """Check size and classes."""
        size = picture_size(info['img_path'], info.get('picture'))
        made_of, ids = stored_header(path)
        if made_of != size:
            raise ScoreError(
                path,
                f'was made of an image of {made_of}, its image {info["img_path"]} '
                f'has {size} (height, width)',
                'generate the maps of these very images',
            )
        self._check_classes(path, ids, info['gt_labels'])

    @staticmethod
    def _check_classes(path: str, ids: Iterable[int], labels: Iterable[int]) -> None:
        """Refuse a file without a class (id, channel + 1) that its image holds."""
        there = {int(c) for c in ids}
        lacking = sorted({channel + 1 for channel in labels} - there)
        if lacking:
            raise ScoreError(
                path,
                f'has maps of the classes {sorted(there)}, its image also holds '
                f'{lacking}',
                'generate the maps with --cam-filter gt, of the same classes',
            )

    def load(
        self,
        path: str | None,
        results: Mapping[str, Any],
        backend_args: dict | None = None,
    ) -> np.ndarray:
        """(K, H, W) float32; one empty map for an image without labels."""
        size, labels = tuple(results['ori_shape']), results['gt_labels']
        if path is None:
            return np.zeros((1, *size), np.float32)
        maps = load_scores(path, 'cam', size)
        self._check_classes(path, maps.ids, labels)
        place = {int(c): i for i, c in enumerate(maps.ids)}
        return maps.scores[[place[channel + 1] for channel in sorted(set(labels))]]

    def resize(
        self,
        array: np.ndarray,
        size: tuple[int, int],
        resample: str,
        align_corners: bool,
    ) -> np.ndarray:
        """Resize bilinearly, without antialiasing."""
        return F.resize_map(array, size, align_corners)

    def flip(self, array: np.ndarray) -> np.ndarray:
        """Mirror left and right."""
        return np.ascontiguousarray(array[..., ::-1])

    def crop(self, array: np.ndarray, place: F.Place, ignore_index: int) -> np.ndarray:
        """Pad with 0 and crop."""
        cropped = F.pad_crop(np.moveaxis(array, 0, -1), *place)
        return np.ascontiguousarray(np.moveaxis(cropped, -1, 0))

    def pack(self, array: np.ndarray) -> PixelData:
        """(K, H, W) float32."""
        return PixelData(data=torch.from_numpy(array))
