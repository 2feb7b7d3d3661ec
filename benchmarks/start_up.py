# Licensed under Apache-2.0.
"""Time the start of a data set: labels, files, checks and the summary.

    python benchmarks/start_up.py --out benchmarks/results/start_up.txt

Draws label files of 100,000 pictures and as many empty files in a temporary folder,
and opens them as a run does. No picture is decoded at a start beyond the headers of a
few, so that empty ones do.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import tempfile
import time
from pathlib import Path

import numpy as np

from mmwsss.datasets import FolderWeakDataset

CLASSES = tuple(f'class_{i:02d}' for i in range(20))
log = logging.getLogger('benchmark')


def draw(root: Path, count: int) -> dict[str, list[str]]:
    """Empty pictures in ``images`` and in class folders; gives labels by name."""
    rng = random.Random(0)
    labels = {}
    for folder in ('images', *(f'train/{name}' for name in CLASSES)):
        (root / folder).mkdir(parents=True)
    for i in range(count):
        classes = rng.sample(CLASSES, rng.randint(1, 3))
        labels[f'{i:06d}.jpg'] = classes
        (root / 'images' / f'{i:06d}.jpg').touch()
        (root / 'train' / classes[0] / f'{i:06d}.jpg').touch()
    return labels


def write_forms(root: Path, labels: dict[str, list[str]]) -> list[str]:
    """The label files; gives their names."""
    rows = labels.items()
    forms = {
        'labels.txt': ''.join(f'{n} {" ".join(c)}\n' for n, c in rows),
        'labels.csv': 'image,labels\n'
        + ''.join(f'{n},{"|".join(c)}\n' for n, c in rows),
        'one_hot.csv': f'filename,{",".join(CLASSES)}\n'
        + ''.join(
            f'{n},{",".join(str(int(k in c)) for k in CLASSES)}\n' for n, c in rows
        ),
        'labels.json': json.dumps(labels),
        'metadata.jsonl': ''.join(
            json.dumps(dict(file_name=n, labels=c)) + '\n' for n, c in rows
        ),
    }
    for name, text in forms.items():
        (root / name).write_text(text)
    return [*forms, 'train']


def clocks() -> np.ndarray:
    """Seconds of the wall's clock and of this process."""
    return np.array([time.perf_counter(), time.process_time()])


def measure(root: Path, name: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Seconds to open a data set and to sum it up, and its length."""
    start = clocks()
    dataset = FolderWeakDataset(
        name, data_root=str(root), metainfo=dict(classes=('background', *CLASSES))
    )
    opened = clocks()
    summary = dataset.summary()
    summary.table()
    return opened - start, clocks() - opened, summary.pictures


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--count', type=int, default=100_000, help='pictures')
    parser.add_argument('--out', metavar='FILE', help='write the table there')
    args = parser.parse_args()
    logging.basicConfig(format='%(message)s', level=logging.INFO)
    lines = [f'{args.count} pictures, {len(CLASSES)} classes; seconds of the processor']
    lines.append(
        f'{"labels":16s}{"open":>8s}{"summary":>9s}{"sum":>7s}{"on the wall":>13s}'
    )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in write_forms(root, draw(root, args.count)):
            opened, summed, count = measure(root, name)
            assert count == args.count
            whole, busy = opened + summed
            lines.append(
                f'{name:16s}{opened[1]:8.2f}{summed[1]:9.2f}{busy:7.2f}{whole:13.2f}'
            )
    text = '\n'.join(lines)
    log.info(text)
    if args.out:
        Path(args.out).write_text(text + '\n')


if __name__ == '__main__':
    main()
