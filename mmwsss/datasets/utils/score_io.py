# Licensed under Apache-2.0.
"""Reading score maps: probabilities, CAMs or hard labels of one image.

``NAME.npy``
    (n, H, W), floating. ``'prob'``: channel i is class i, 0 = background. ``'cam'``:
    channel i is class i + 1.
``NAME.npz``
    ``scores``, as above, and, if not all classes are there, ``keys`` (n,): the class
    id of each channel.
``NAME.png``
    ``'label'``: a class id for each pixel.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..errors import ScoreError

KINDS = ('prob', 'cam', 'label')
SUFFIXES = {'prob': ('.npy', '.npz'), 'cam': ('.npy', '.npz'), 'label': ('.png',)}
#: how the dictionaries that IRN and PSA write become a file that is read here
PICKLE_FIX = (
    'convert it, in a sandbox unless you trust its author: '
    'd = np.load(FILE, allow_pickle=True).item(); for IRN (keys, high_res) '
    "np.savez(OUT, scores=d['high_res'], keys=np.array(d['keys']) + 1), for PSA "
    '(class: map) np.savez(OUT, scores=np.stack(list(d.values())), '
    'keys=np.array(list(d)) + 1)')


class ScoreMaps(NamedTuple):
    """Score maps of one image.

    Attributes:
        scores: (n, H, W) float32 in [0, 1].
        ids: (n,) int64 class ids of the channels, 0..254.
    """

    scores: np.ndarray
    ids: np.ndarray


def load_scores(path: str | Path, kind: str, size: tuple[int, int],
                num_classes: int | None = None) -> ScoreMaps:
    """Read and check the maps of one image; pickles are refused.

    Args:
        path: the file.
        kind: ``'prob'``, ``'cam'`` or ``'label'``.
        size: (H, W) of the image.
        num_classes: of labels; ``None``: those that occur are all there are.

    Returns:
        The maps; for labels ones and zeros.

    Raises:
        ScoreError: naming the file and what to do.
    """
    maps = (_read_labels(path, num_classes) if kind == 'label'
            else _read_arrays(path, kind))
    if maps.scores.shape[1:] != tuple(size):
        raise ScoreError(
            path, f'has maps of {maps.scores.shape[1:]}, its image has {tuple(size)} '
            '(height, width)', 'write the maps at the size of the image')
    return maps


def _read_labels(path: str | Path, num_classes: int | None) -> ScoreMaps:
    try:
        with Image.open(path) as picture:
            label = np.asarray(picture)
    except (OSError, SyntaxError) as err:
        raise ScoreError(path, f'is no PNG ({err})', 'write it again') from err
    if label.ndim != 2 or label.dtype.kind not in 'uib':
        raise ScoreError(path, f'is no label map: {label.shape} {label.dtype}',
                         'write PNGs of one channel, class ids as indices or greys')
    present = np.unique(label)
    limit = 255 if num_classes is None else num_classes
    if present[0] < 0 or present[-1] >= limit:
        raise ScoreError(
            path, f'holds the label {present[-1]}; labels are 0..{limit - 1} without '
            '255 (ignored)', 'give every pixel a class, or raise num_classes')
    ids = present if num_classes is None else np.arange(num_classes)
    ids = ids.astype(np.int64)
    return ScoreMaps((label == ids[:, None, None]).astype(np.float32), ids)


def _read_arrays(path: str | Path, kind: str) -> ScoreMaps:
    scores, ids = _load(path)
    if scores.ndim != 3 or scores.dtype.kind != 'f' or not scores.size:
        raise ScoreError(path, f'holds {scores.shape} {scores.dtype}',
                         'write floating maps (n, H, W)')
    first = 0 if kind == 'prob' else 1
    ids = np.arange(first, first + len(scores)) if ids is None else np.asarray(ids)
    if (ids.shape != (len(scores),) or ids.dtype.kind not in 'ui'
            or len(set(ids.tolist())) != len(ids)
            or ids.min() < first or ids.max() > 254):
        raise ScoreError(
            path, f'has keys {ids.tolist()} for {len(scores)} maps',
            f'give each map a class id of its own in {first}..254'
            + (' (0 is the background, which CAMs do not have)' if first else ''))
    if not np.isfinite(scores).all():
        raise ScoreError(path, 'holds NaN or infinite values', 'compute it again')
    low, high = float(scores.min()), float(scores.max())
    if low < 0 or high > 1 + 1e-3:  # half precision rounds
        raise ScoreError(
            path, f'has values in [{low:.4g}, {high:.4g}], not in [0, 1]',
            'take the softmax of logits' if kind == 'prob' else 'normalise the CAMs')
    return ScoreMaps(scores.astype(np.float32).clip(0, 1), ids.astype(np.int64))


def _load(path: str | Path) -> tuple[np.ndarray, np.ndarray | None]:
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content, None
        with content:
            if 'scores' not in content:
                raise ScoreError(path, f'holds {sorted(content.files)}',
                                 "name its maps 'scores', their class ids 'keys'")
            return content['scores'], content.get('keys')
    except (OSError, EOFError, zipfile.BadZipFile) as err:
        raise ScoreError(path, f'cannot be read ({err})', 'write it again') from err
    except ScoreError:
        raise
    except ValueError as err:
        if 'allow_pickle' in str(err):
            raise ScoreError(path, 'is a pickle, which could run any code; only arrays '
                             'are read', PICKLE_FIX) from None
        raise ScoreError(path, f'cannot be read ({err})', 'write it again') from err
