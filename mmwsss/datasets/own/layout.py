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
from mmwsss.datasets.readers.label_source import LabelSource
from mmwsss.io.atomic_file import write_atomic, write_json
from mmwsss.io.data_errors import LabelError
from mmwsss.io.errors import UserError
from mmwsss.io.output_folder import inside, made_in

#: folders of pictures, of masks, and of the lists of splits
IMAGES, MASKS, LISTS = 'images', 'masks', 'splits'
LABELS, CLASSES = 'labels.csv', 'classes.txt'
#: entries of ``picture=dict(...)``, where pictures need some; how the folder was made
PICTURE, SETTINGS = 'picture.json', 'settings.json'
#: in the settings of a run that hasn't ended
BEGUN = 'begun'
#: names of splits
SPLITS = ('train', 'val', 'test')


def list_file(split: str) -> str:
    """The list of a split, below the folder."""
    return f'{LISTS}/{split}.txt'


def listed_splits(root: str | Path) -> list[str]:
    """The splits of a folder that have a list."""
    return [split for split in SPLITS if Path(root, list_file(split)).is_file()]


def picture_entries(root: str | Path) -> dict[str, Any]:
    """Entries of ``picture=dict(...)`` of a folder; none where it names none.

    Raises:
        LabelError: if their file is no JSON object.
    """
    file = Path(root, PICTURE)
    return _entries_of(file) if file.is_file() else {}


def refuse_other_settings(out: Path, settings: Mapping[str, Any]) -> None:
    """Refuse a folder that an earlier run made with other settings.

    What a run has left that was stopped or refused is deleted instead.

    A ``settings.json`` that isn't ours is left to :func:`.claim_outputs`.

    Args:
        out: the folder.
        settings: of this run, as plain data.

    Raises:
        UserError: naming the first that differs.
        LabelError: if what the earlier run noted can't be read any more.
    """
    if SETTINGS not in made_in(out) or not (out / SETTINGS).is_file():
        return
    before = _entries_of(out / SETTINGS)
    settings = json.loads(json.dumps(settings))  # tuples are lists in a file
    changed = [key for key in settings if before.get(key) != settings[key]]
    if changed and before.get(BEGUN):
        for name in made_in(out):
            (out / inside(name)).unlink(missing_ok=True)
    elif changed:
        key = changed[0]
        raise UserError(
            f'{out} was made with other settings ({key}: {before.get(key)!r}, now '
            f'{settings[key]!r}): give another folder to --out, or delete this one'
        )


def begin(out: Path, settings: Mapping[str, Any]) -> None:
    """Note that a run with these settings writes into a folder."""
    write_json({**settings, BEGUN: True}, out / SETTINGS)


def finish(out: Path, settings: Mapping[str, Any]) -> None:
    """Note that it has ended: from now on other settings want another folder."""
    write_json(dict(settings), out / SETTINGS)


def _entries_of(file: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        LabelError: if it holds none.
    """
    content = LabelSource(str(file)).json
    if not isinstance(content, dict):
        raise LabelError(
            file,
            f'holds no object of entries, but {content!r:.40}',
            'correct it to {"NAME": VALUE, ...}, or delete the folder and make it anew',
        )
    return content


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
