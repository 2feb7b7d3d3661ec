# Licensed under Apache-2.0.
"""Pixel labels of a folder, looked at before anything is scored against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmwsss.datasets.mask_checks.check_masks import check_masks, how_many
from mmwsss.datasets.mask_checks.mask_facts import look_at
from mmwsss.datasets.side_inputs.declaration import spread
from mmwsss.io.data_errors import ScoreError
from mmwsss.io.score_files import stored_header
from mmwsss.pipeline.generate.generate_cfg import SUFFIX
from mmwsss.pipeline.manifest import read_manifest


def check_truth(
    infos: Sequence[Mapping[str, Any]], classes: Sequence[str], folder: Path, kind: str
) -> None:
    """Hold a bounded number of masks against the classes, and what labels there are.

    CAMs that were generated with ``cam_filter='gt'`` say which classes the image labels
    name; of others nobody knows the labels.

    Args:
        infos: images with ``seg_map_path`` and ``img_id``.
        classes: background first.
        folder: of the files that are scored.
        kind: ``'cam'`` or ``'mask'``.

    Raises:
        MaskError: naming a mask, what was found and the fix.
    """
    looked_at = [dict(info) for info in spread(infos, how_many(infos))]
    if kind == 'cam' and _labels_chose(folder):
        for info in looked_at:
            try:
                _, ids = stored_header(folder / f'{info["img_id"]}{SUFFIX[kind]}')
            except ScoreError:  # told where it is scored
                continue
            info |= dict(gt_labels=tuple(int(i) - 1 for i in ids if i))
    check_masks([look_at(info) for info in looked_at], dict(classes=classes))


def _labels_chose(folder: Path) -> bool:
    """Whether image labels chose the classes of generated CAMs."""
    for candidate in (folder, folder.parent):
        settings = (read_manifest(candidate) or {}).get('settings', {})
        if settings.get('cam_filter') == 'gt':
            return True
    return False
