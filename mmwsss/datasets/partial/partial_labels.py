# Licensed under Apache-2.0.
from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.logging import print_log

from mmwsss.datasets.mask_checks.check_masks import how_many
from mmwsss.datasets.mask_checks.mask_facts import MaskFacts, look_at
from mmwsss.datasets.mask_checks.partial_findings import partial_findings
from mmwsss.datasets.side_inputs.declaration import SideInput, spread
from mmwsss.io.data_errors import MaskError
from mmwsss.structures import PARTIAL


@dataclass(frozen=True)
class PartialLabels:
    """What is known of the pixels of a data set.

    Attributes:
        folder: of the files.
        pictures: of the list.
        found: pictures that have a file.
        stored: files in the folder, those of no picture of the list too.
        looked: files that were read.
        classes: by the name of each class: in how many of them pixels of it are known.
        share: of their pixels, that are known, in [0, 1].
    """

    folder: str
    pictures: int
    found: int
    stored: int
    looked: int
    classes: Mapping[str, int]
    share: float

    def line(self) -> str:
        """One line for the log."""
        text = f'Partial labels {self.folder}: {self.found} of {self.pictures} pictures'
        if self.looked:
            held = ', '.join(f'{name} {count}' for name, count in self.classes.items())
            text += (
                f'; of the {self.looked} looked at {100 * self.share:.3g} % of the '
                f'pixels are known (pictures with a class: {held or "none"})'
            )
        if self.stored > self.found:
            text += f'; {self.stored - self.found} files there are of other pictures'
        return f'{text}. These are more than image labels.'


def look_at_partial(infos: Sequence[dict], dataset: Any) -> PartialLabels | None:
    """Hold partial labels against image labels and classes; count what is known.

    Args:
        infos: dicts of the data set's list.
        dataset: a :class:`.WeakSegDataset`; its settings say how many are read.

    Returns:
        ``None`` where the data set declares no side input ``partial``.

    Raises:
        MaskError: if one can't be read, holds ids without a class, or too many hold
            classes that their image label doesn't name.
    """
    side = next((one for one in dataset.side_inputs if one.name == PARTIAL), None)
    if side is None:
        return None
    there = with_partial(infos)
    count = how_many(there) if dataset.check_files and dataset.check_samples else 0
    facts = [look_at(info) for info in spread(there, count)]
    classes = dataset.metainfo['classes']
    for finding in partial_findings(facts, classes):
        if finding.refused and (dataset.check_masks or finding.limit == 0):
            raise MaskError(finding.example, finding.problem, finding.fix)
        print_log(f'partial labels: {finding}', 'current', logging.WARNING)
    return counted(side, infos, len(there), facts, classes)


def with_partial(infos: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The pictures that have a partial label, which stands as their mask."""
    paths = [info['side_inputs'][PARTIAL].path for info in infos]
    return [
        {**info, 'seg_map_path': path}
        for info, path in zip(infos, paths, strict=True)
        if path is not None
    ]


def counted(
    side: SideInput,
    infos: Sequence[Mapping[str, Any]],
    found: int,
    facts: Sequence[MaskFacts],
    classes: Sequence[str],
) -> PartialLabels:
    """Count what the files hold that were looked at."""
    held = Counter(i for mask in facts for i in mask.pixels if i < len(classes))
    total = sum(mask.total for mask in facts)
    unknown = sum(mask.pixels.get(255, 0) for mask in facts)
    return PartialLabels(
        side.folder,
        len(infos),
        found,
        side.stored(),
        len(facts),
        {classes[i]: held[i] for i in sorted(held)},
        (total - unknown) / max(total, 1),
    )
