# Licensed under Apache-2.0.
"""Pictures with partial labels, and how often they are to be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.logging import print_log

from mmwsss.structures import PARTIAL


def has_partial(dataset: Any) -> np.ndarray:
    """(N,) bool: which pictures of a data set have a file of partial labels.

    Raises:
        ValueError: if it declares no side input ``partial``.
    """
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    try:
        files = [info['side_inputs'][PARTIAL].path for info in infos]
    except KeyError as err:
        raise ValueError(
            'partial_share of the sampler draws pictures with partial labels more '
            f'often, and {type(dataset).__name__} declares no side input '
            f'{PARTIAL!r}: leave partial_share out, or declare it (side_inputs=dict('
            "partial=dict(dir='FOLDER', kind='ids')))"
        ) from err
    return np.array([file is not None for file in files])


def annotated_factors(annotated: np.ndarray, share: float) -> np.ndarray:
    """How often each picture is to be drawn, so that a share of the draws is annotated.

    Of N pictures n are annotated; each of these counts
    ``max(1, share / (1 - share) * (N - n) / n)``, the others 1.

    Args:
        annotated: (N,) bool.
        share: in (0, 1).

    Returns:
        (N,) float64, 1 or more.

    Raises:
        ValueError: if the share is out of range.

    Example:
        >>> annotated_factors(np.array([True, False, False, False]), 0.5).tolist()
        [3.0, 1.0, 1.0, 1.0]
    """
    if not 0 < share < 1:
        raise ValueError(
            f'partial_share={share} must be a share of the samples between 0 and 1'
        )
    count = int(annotated.sum())
    if not count:
        return np.ones(len(annotated))
    factor = max(1.0, share / (1 - share) * (len(annotated) - count) / count)
    print_log(
        f'partial_share: each of the {count} pictures with partial labels is drawn '
        f'{factor:.3g} times as often as one of the {len(annotated) - count} others',
        'current',
    )
    return np.where(annotated, factor, 1.0)
