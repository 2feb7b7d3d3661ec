# Licensed under Apache-2.0.
"""Files of score maps: probabilities, CAMs or hard labels of one image.

``NAME.npy``
    (n, H, W), floating. ``'prob'``: channel i is class i, 0 = background. ``'cam'``:
    channel i is class i + 1.
``NAME.npz``
    ``scores``, as above, or uint8, 255 being 1; if not all classes are there,
    ``keys`` (n,): the class id of each channel; if the maps are coarser than the image,
    ``size`` (2,): its height and width, to which they are resized bilinearly with
    half-pixel centres. A picture without objects has (0, h, w) CAMs.
``NAME.png``
    ``'label'``: a class id for each pixel.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from .atomic_file import write_atomic
from .data_errors import ScoreError

DTYPES = ('float16', 'uint8')
KINDS = ('prob', 'cam', 'label')
SUFFIXES = {'prob': ('.npy', '.npz'), 'cam': ('.npy', '.npz'), 'label': ('.png',)}
#: how the dictionaries that IRN and PSA write become a file that is read here
PICKLE_FIX = (
    'convert it, in a sandbox unless you trust its author: '
    'd = np.load(FILE, allow_pickle=True).item(); for IRN (keys, high_res) '
    "np.savez(OUT, scores=d['high_res'], keys=np.array(d['keys']) + 1), for PSA "
    '(class: map) np.savez(OUT, scores=np.stack(list(d.values())), '
    'keys=np.array(list(d)) + 1)'
)


class ScoreMaps(NamedTuple):
    """Score maps of one image.

    Attributes:
        scores: (n, h, w) float32 in [0, 1].
        ids: (n,) int64 class ids of the channels, 0..254.
        size: (H, W) of the image, as the file says; that of the maps by default.
    """

    scores: np.ndarray
    ids: np.ndarray
    size: tuple[int, int]


def save_scores(
    path: str | Path,
    scores: np.ndarray,
    ids: Sequence[int],
    size: tuple[int, int],
    dtype: str = 'float16',
) -> int:
    """Write a compact ``NAME.npz``, complete or not at all.

    Args:
        path: the file; folders are made.
        scores: (n, h, w) floating in [0, 1].
        ids: (n,) class ids of the channels.
        size: (H, W) of the image.
        dtype: ``'float16'`` (error at most 2.5e-4) or ``'uint8'`` (round(255 score),
            error at most 2e-3).

    Returns:
        Bytes written.

    Raises:
        ValueError: if the type is another, or maps and ids don't fit.
    """
    if dtype not in DTYPES or scores.ndim != 3 or len(scores) != len(ids):
        raise ValueError(
            f'{path}: {scores.shape} maps of {len(ids)} classes as {dtype!r}; needed '
            f'are (n, h, w), n classes and one of {DTYPES}'
        )
    kept = np.rint(scores * 255) if dtype == 'uint8' else scores
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        scores=kept.astype(dtype),
        size=np.asarray(size, np.int32),
        keys=np.asarray(ids, np.uint8),
    )
    write_atomic(buffer.getvalue(), path, durable=False)
    return buffer.tell()


def load_scores(
    path: str | Path,
    kind: str,
    size: tuple[int, int] | None,
    num_classes: int | None = None,
) -> ScoreMaps:
    """Read and check the maps of one image; pickles are refused.

    Args:
        path: the file.
        kind: ``'prob'``, ``'cam'`` or ``'label'``.
        size: (H, W) of the image: coarser maps are resized to it; ``None``: the maps
            on the grid that they are stored on.
        num_classes: of labels; ``None``: those that occur are all there are.

    Returns:
        The maps; for labels ones and zeros.

    Raises:
        ScoreError: naming the file and what to do.
    """
    maps = (
        _read_labels(path, num_classes) if kind == 'label' else _read_arrays(path, kind)
    )
    if size is None:
        return maps
    if maps.size != tuple(size):
        raise ScoreError(
            path,
            f'has maps of {maps.size}, its image has {tuple(size)} (height, width)',
            'write the maps at the size of the image, or name that '
            "in the file's 'size'",
        )
    if maps.scores.shape[1:] == maps.size:
        return maps
    if not len(maps.scores):  # a picture without objects
        return maps._replace(scores=np.zeros((0, *maps.size), np.float32))
    coarse = torch.from_numpy(maps.scores)[None]
    full = F.interpolate(coarse, maps.size, mode='bilinear', align_corners=False)[0]
    return maps._replace(scores=full.numpy())


def stored_header(path: str | Path) -> tuple[tuple[int, int], np.ndarray]:
    """(H, W) of the image that a file's maps are of, and the class ids of the maps.

    Of a compact file, as :func:`save_scores` writes it, the maps aren't read.

    Raises:
        ScoreError: if the file can't be read.
    """
    try:
        if str(path).endswith('.npz'):
            with np.load(path, allow_pickle=False) as content:
                if 'size' in content and 'keys' in content:
                    keys = content['keys'].astype(np.int64)
                    return _size_in(path, content['size']), keys
    except ScoreError:
        raise
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile) as err:
        raise ScoreError(path, f'cannot be read ({err})', 'write it again') from err
    maps = load_scores(path, 'cam', None)
    return maps.size, maps.ids


def _read_labels(path: str | Path, num_classes: int | None) -> ScoreMaps:
    try:
        with Image.open(path) as picture:
            label = np.asarray(picture)
    except (OSError, SyntaxError) as err:
        raise ScoreError(path, f'is no PNG ({err})', 'write it again') from err
    if label.ndim != 2 or label.dtype.kind not in 'uib':
        raise ScoreError(
            path,
            f'is no label map: {label.shape} {label.dtype}',
            'write PNGs of one channel, class ids as indices or greys',
        )
    present = np.unique(label)
    limit = 255 if num_classes is None else num_classes
    if present[0] < 0 or present[-1] >= limit:
        raise ScoreError(
            path,
            f'holds the label {present[-1]}; labels are 0..{limit - 1} without '
            '255 (ignored)',
            'give every pixel a class, or raise num_classes',
        )
    ids = present if num_classes is None else np.arange(num_classes)
    ids = ids.astype(np.int64)
    return ScoreMaps((label == ids[:, None, None]).astype(np.float32), ids, label.shape)


def _read_arrays(path: str | Path, kind: str) -> ScoreMaps:
    scores, ids, stored = _load(path)
    none = kind == 'cam' and scores.shape[:1] == (0,) and ids is not None
    if (
        scores.ndim != 3
        or scores.dtype.kind != 'f'
        or not (scores.size or (none and min(scores.shape[1:])))
    ):
        raise ScoreError(
            path,
            f'holds {scores.shape} {scores.dtype}',
            'write floating maps (n, H, W)',
        )
    size = scores.shape[1:] if stored is None else _size_in(path, stored)
    first = 0 if kind == 'prob' else 1
    ids = np.arange(first, first + len(scores)) if ids is None else np.asarray(ids)
    if (
        ids.shape != (len(scores),)
        or ids.dtype.kind not in 'ui'
        or len(set(ids.tolist())) != len(ids)
        or ids.min(initial=first) < first
        or ids.max(initial=first) > 254
    ):
        raise ScoreError(
            path,
            f'has keys {ids.tolist()} for {len(scores)} maps',
            f'give each map a class id of its own in {first}..254'
            + (' (0 is the background, which CAMs do not have)' if first else ''),
        )
    if not np.isfinite(scores).all():
        raise ScoreError(path, 'holds NaN or infinite values', 'compute it again')
    low, high = float(scores.min(initial=0)), float(scores.max(initial=0))
    if low < 0 or high > 1 + 1e-3:  # half precision rounds
        raise ScoreError(
            path,
            f'has values in [{low:.4g}, {high:.4g}], not in [0, 1]',
            'take the softmax of logits' if kind == 'prob' else 'normalise the CAMs',
        )
    return ScoreMaps(scores.astype(np.float32).clip(0, 1), ids.astype(np.int64), size)


def _size_in(path: str | Path, stored: np.ndarray) -> tuple[int, int]:
    """(H, W) of the image, as a file's entry ``size`` has it."""
    sides = stored.tolist() if stored.shape == (2,) else [0]
    numbers = stored.dtype.kind in 'uif'
    if not numbers or any(side < 1 or not float(side).is_integer() for side in sides):
        raise ScoreError(
            path,
            f'has the size {stored.tolist()!r}, an array of shape {stored.shape}',
            'give height and width: size=np.array([height, width])',
        )
    return int(sides[0]), int(sides[1])


def _load(path: str | Path) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content, None, None
        with content:
            if 'scores' not in content:
                raise ScoreError(
                    path,
                    f'holds {sorted(content.files)}',
                    "name its maps 'scores', their class ids 'keys'",
                )
            scores = content['scores']
            if scores.dtype == np.uint8:
                scores = scores.astype(np.float32) / 255
            return scores, content.get('keys'), content.get('size')
    except (OSError, EOFError, zipfile.BadZipFile) as err:
        raise ScoreError(path, f'cannot be read ({err})', 'write it again') from err
    except ScoreError:
        raise
    except ValueError as err:
        if 'allow_pickle' in str(err):
            raise ScoreError(
                path,
                'is a pickle, which could run any code; only arrays are read',
                PICKLE_FIX,
            ) from None
        raise ScoreError(path, f'cannot be read ({err})', 'write it again') from err
