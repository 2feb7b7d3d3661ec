# Licensed under Apache-2.0.
"""What lies where in a checked folder: its names, and its small files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmwsss.datasets.label_channels import BACKGROUND
from mmwsss.io.atomic_file import write_atomic

#: folders of pictures, of masks, and of the lists of splits
IMAGES, MASKS, LISTS = 'images', 'masks', 'splits'
LABELS, CLASSES = 'labels.csv', 'classes.txt'
#: entries of ``picture=dict(...)``, where pictures need some; how the folder was made
PICTURE, SETTINGS = 'picture.json', 'settings.json'
#: names of splits
SPLITS = ('train', 'val', 'test')


def list_file(split: str) -> str:
    """The list of a split, below the folder."""
    return f'{LISTS}/{split}.txt'


def listed_splits(root: str | Path) -> list[str]:
    """The splits of a folder that have a list."""
    return [split for split in SPLITS if Path(root, list_file(split)).is_file()]


def picture_entries(root: str | Path) -> dict[str, Any]:
    """Entries of ``picture=dict(...)`` of a folder; none where it names none."""
    file = Path(root, PICTURE)
    return json.loads(file.read_text(encoding='utf-8')) if file.is_file() else {}


def write_lines(path: Path, lines: Sequence[str]) -> None:
    """A text file of these lines."""
    write_atomic(''.join(f'{line}\n' for line in lines).encode(), path)


def write_labels(
    path: Path, labels: Mapping[str, Sequence[int]], classes: Sequence[str]
) -> None:
    """Rows of a name and its classes; ``background``: no object.

    Args:
        path: of the file.
        labels: ids 1..C of each picture.
        classes: the C foreground classes.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator='\n')
    for name, ids in labels.items():
        rows.writerow([name, *([classes[i - 1] for i in ids] or [BACKGROUND])])
    write_atomic(text.getvalue().encode(), path)
