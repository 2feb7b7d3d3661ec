# Licensed under Apache-2.0.
"""The splits that a user's folder comes with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from mmwsss.datasets.readers.reading import read_names
from mmwsss.io.data_errors import LabelError
from mmwsss.io.image_files import image_stem

from .found_parts import Part, given_lists
from .located import Found


def given_splits(
    parts: Sequence[Part], pictures: Mapping[str, Found], left_out: Collection[str] = ()
) -> dict[str, list[str]] | None:
    """The splits that a user's folder comes with, ``train`` first; ``None``: none.

    They are those of its parts, or of lists ``train.txt``, ``val.txt``, ``test.txt``
    beside the labels or in a folder ``splits`` there. A list that is the label file
    itself says no split.

    Args:
        parts: of :func:`.found_parts.find_parts`.
        pictures: of :func:`.gathered.gather`.
        left_out: names that lists may have and that aren't taken.

    Raises:
        LabelError: if a list names a picture without labels, or in two lists.
        UserError: if two lists are of one split.
    """
    if parts[0].split is not None:
        splits: dict[str, list[str]] = {'train': []}
        for name, found in pictures.items():
            splits.setdefault(str(found.split), []).append(name)
        return splits
    labels = Path(parts[0].labels)
    lists = given_lists(str(labels if labels.is_dir() else labels.parent))
    if not lists or labels in map(Path, lists.values()):
        return None
    return _listed(parts[0], lists, pictures, set(map(image_stem, left_out)))


def _listed(
    part: Part,
    lists: Mapping[str, str],
    pictures: Mapping[str, Found],
    left_out: Collection[str],
) -> dict[str, list[str]]:
    """Names by split, as lists have them."""
    by_stem = {image_stem(name): name for name in pictures}
    known = by_stem.keys() | left_out
    splits: dict[str, list[str]] = {'train': []}
    counts: Counter[str] = Counter()
    for split, path in lists.items():
        listed = read_names(path, known, part.images)
        names = list(dict.fromkeys(map(image_stem, listed)))
        absent = [name for name in names if name not in known]
        counts.update(names)
        twice = [name for name in names if counts[name] > 1]
        if absent or twice:
            what = 'is in two lists' if twice else 'has no labels'
            raise LabelError(
                path,
                f'names {(twice or absent)[0]!r}, which {what}',
                'correct it, or draw new splits by --resplit',
            )
        splits[split] = sorted(by_stem[name] for name in names if name in by_stem)
    return splits
