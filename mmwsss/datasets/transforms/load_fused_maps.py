# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from mmcv.transforms import BaseTransform

from mmwsss.io.data_errors import ScoreError
from mmwsss.io.score_files import load_scores
from mmwsss.registry import TRANSFORMS


def check_classes(path: str, ids: Iterable[int], labels: Iterable[int]) -> None:
    """Whether a file has a map of each class that its image holds.

    Args:
        path: the file.
        ids: class ids of its maps.
        labels: zero-based channels of the image (class id - 1).

    Raises:
        ScoreError: if one is lacking.
    """
    there = {int(c) for c in ids}
    lacking = sorted({channel + 1 for channel in labels} - there)
    if lacking:
        raise ScoreError(
            path,
            f'has maps of the classes {sorted(there)}, its image also holds {lacking}',
            'generate the maps with --cam-filter gt, of the same classes',
        )


@TRANSFORMS.register_module()
class LoadFusedMaps(BaseTransform):
    """Read ``fused_path``: the fused CAMs of the classes that the image holds.

    Required keys: ``fused_path``, which a data set with ``fused_dir`` gives,
    ``gt_labels`` and ``ori_shape``. Added key: ``fused`` (K, H, W) float32, one map
    for each label in ascending order (other maps of the file are noise and left out);
    its name is added to ``map_fields``: the maps follow the geometry of the image,
    bilinear and corner-aligned, and are 0 outside (SMAF's release). Maps that
    are stored coarser than the image are brought to its size first.
    """

    def transform(self, results: dict) -> dict:
        """Read the maps and pick those of the labels.

        Raises:
            ScoreError: if the file is missing, unreadable, of another size, or lacks a
                class that the image holds.
        """
        labels = results['gt_labels']
        if labels and results.get('fused_path') is None:
            raise ScoreError(
                results.get('img_path', '?'),
                'has no fused maps in this data set',
                'set fused_dir of the data set to the folder that '
                'tools/generate_pseudo_labels.py --save fused wrote',
            )
        size = tuple(results['ori_shape'])
        results['fused'] = (
            self._read(results['fused_path'], labels, size)
            if labels
            else np.zeros((1, *size), np.float32)
        )
        results['map_fields'] = [*results.get('map_fields', ()), 'fused']
        return results

    @staticmethod
    def _read(path: str, labels: tuple[int, ...], size: tuple[int, int]) -> np.ndarray:
        maps = load_scores(path, 'cam', size)
        check_classes(path, maps.ids, labels)
        place = {int(c): i for i, c in enumerate(maps.ids)}
        return maps.scores[[place[channel + 1] for channel in sorted(set(labels))]]
