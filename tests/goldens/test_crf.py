# Licensed under Apache-2.0.
"""Dense CRF against the original library."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from mmwsss.ops import (
    DENSE_CRF_PRESETS,
    dense_crf,
    dense_crf_labels,
    unary_from_cam,
    unary_from_prob,
)

Q_TOL = 1e-4
HALF_TOL = 2.5e-4  # of values stored in half precision
LABEL_SHARE = 0.9999
NUM_LABELS = 21  # of the runs called "21 labels"


def agree(actual: torch.Tensor, expected: np.ndarray) -> None:
    """Marginals (n, H, W) within the tolerance, labels equal.

    Half precision stores ties: any of the tied labels is right.
    """
    actual = actual.numpy()
    assert actual.shape == expected.shape
    tol = Q_TOL + (HALF_TOL if expected.dtype == np.float16 else 0)
    expected = expected.astype(np.float32)
    error = float(np.abs(actual - expected).max())
    assert error <= tol, f'max |dQ| {error:.2e} > {tol:.2e}'
    chosen = np.take_along_axis(expected, actual.argmax(0)[None], axis=0)[0]
    assert (chosen == expected.max(axis=0)).mean() >= LABEL_SHARE


def same_labels(actual: torch.Tensor, expected: np.ndarray) -> None:
    assert actual.shape == expected.shape
    assert (actual.numpy() == expected).mean() >= LABEL_SHARE


def image(data: dict[str, np.ndarray], name: str) -> torch.Tensor:
    return torch.from_numpy(data[f'{name}/image'].copy()).permute(2, 0, 1)[None]


def prob_unary(data: dict[str, np.ndarray], name: str) -> torch.Tensor:
    prob = torch.from_numpy(data[f'{name}/prob_u8'].astype(np.float32))[None]
    return unary_from_prob(prob / prob.sum(dim=1, keepdim=True))


def names(data: dict[str, np.ndarray], pattern: str) -> list[re.Match[str]]:
    """Matches of the array names; a file without any is an error."""
    found = [m for m in (re.fullmatch(pattern, key) for key in sorted(data)) if m]
    assert found, f'no array named {pattern}'
    return found


def settings(data: dict[str, np.ndarray], kind: str) -> dict[str, float | int]:
    """``params/<kind>/...`` of a file."""
    prefix = f'params/{kind}/'
    found = {k.removeprefix(prefix): float(v) for k, v in data.items() if prefix in k}
    return found | {'iter_max': int(found['iter_max'])}


def test_softmax(golden):
    data = golden('crf_softmax')
    kinds = set(data['sets'].tolist())
    runs = [m for m in names(data, r'([^/]+)/([^/]+)/Q') if m[2] in kinds]
    assert len(runs) == len(data['images']) * len(kinds)
    for run in runs:
        unary = prob_unary(data, run[1])
        result = dense_crf(image(data, run[1]), unary, **settings(data, run[2]))
        agree(result[0], data[run[0]])


def test_softmax_after_each_update(golden):
    data = golden('crf_softmax')
    for run in names(data, r'([^/]+)/([^/]+)_t(\d+)/Q'):
        params = settings(data, run[2]) | {'iter_max': int(run[3])}
        result = dense_crf(image(data, run[1]), prob_unary(data, run[1]), **params)[0]
        # Stored at every n-th row and column.
        step = -(-result.shape[-1] // data[run[0]].shape[-1])
        agree(result[:, ::step, ::step], data[run[0]])


@pytest.mark.parametrize('mode', ['lattice', 'exact'])
def test_exact(golden, mode):
    data = golden('crf_exact')
    try:
        shared = golden('crf_softmax')  # holds the parameters of both files
    except pytest.skip.Exception:
        shared = None
    for run in names(data, rf'([^/]+)/([^/]+)/Q_{mode}'):
        params = settings(shared, run[2]) if shared else DENSE_CRF_PRESETS[run[2]]
        unary = prob_unary(data, run[1])
        result = dense_crf(image(data, run[1]), unary, mode=mode, **params)
        agree(result[0], data[run[0]])


def test_alpha(golden):
    data = golden('crf_alpha')
    for run in names(data, r'([^/]+)/alpha(\d+)/Q'):
        cam = torch.from_numpy(data[f'{run[1]}/cams_u8'].astype(np.float32) / 255)
        unary = unary_from_cam(cam[None], float(run[2]))
        params = DENSE_CRF_PRESETS['psa']
        agree(dense_crf(image(data, run[1]), unary, **params)[0], data[run[0]])


def label_run(
    data: dict[str, np.ndarray], run: re.Match[str], labels: str, num_labels: int
) -> torch.Tensor:
    """Marginals (n, H, W) from a hard label map; iterations from the name."""
    params = dict(DENSE_CRF_PRESETS['irn']) | {'iter_max': int(run[2])}
    return dense_crf_labels(
        image(data, run[1]),
        torch.from_numpy(data[f'{run[1]}/{labels}'])[None],
        num_labels,
        float(data['gt_prob']),
        **params,
    )[0]


def test_labels_of_the_full_set(golden):
    data = golden('crf_labels')
    for run in names(data, r'([^/]+)/out21_t(\d+)'):
        marginals = label_run(data, run, 'labels', NUM_LABELS)
        same_labels(marginals.argmax(dim=0), data[run[0]])
        present = data[f'{run[1]}/present'].tolist()
        agree(marginals[present], data[f'{run[1]}/Q_present'])
        absent = [label for label in range(NUM_LABELS) if label not in present]
        stored = data[f'{run[1]}/Q_absent_one'].astype(np.float32)
        error = np.abs(marginals[absent].numpy() - stored).max(initial=0)
        assert error <= Q_TOL + HALF_TOL


def test_labels_of_the_compact_set(golden):
    data = golden('crf_labels')
    for run in names(data, r'([^/]+)/out_compact_t(\d+)'):
        count = len(data[f'{run[1]}/present'])
        marginals = label_run(data, run, 'compact_labels', count)
        same_labels(marginals.argmax(dim=0), data[run[0]])
