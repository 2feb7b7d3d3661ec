# Licensed under Apache-2.0.
"""Pairs, their labels, affinity and its loss against the reference (SemFormer)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.methods.irn.pair_affinity_loss import pair_affinity_loss
from mmwsss.methods.irn.pairs import (
    DIFFERENT,
    SAME_BACKGROUND,
    SAME_FOREGROUND,
    pair_targets,
)
from mmwsss.ops import pair_affinity, pair_offsets
from mmwsss.ops.paths import _path

KINDS = dict(bg_pos=SAME_BACKGROUND, fg_pos=SAME_FOREGROUND, neg=DIFFERENT)
NUM_CLASSES = 21


def published_order(radius: int) -> list[int]:
    """Positions of our offsets, grouped by the length of their paths."""
    lengths = [len(_path(*offset)) for offset in pair_offsets(radius)]
    return sorted(range(len(lengths)), key=lengths.__getitem__)


def sources(size: tuple[int, int], radius: int) -> np.ndarray:
    height, width = size
    rows = np.arange(height - radius + 1)[:, None]
    return (rows * width + np.arange(radius - 1, width - radius + 1)).ravel()


@pytest.fixture(params=['r5', 'r10'])
def pairs(golden, request):
    data = golden('semformer_affinity_labels')
    tag = f'_{request.param}'
    return {key.removesuffix(tag): data[key] for key in data if key.endswith(tag)}


def test_pairs(pairs):
    radius, size = int(pairs['radius']), tuple(pairs['size'].tolist())
    offsets = np.array(pair_offsets(radius))[published_order(radius)]
    np.testing.assert_array_equal(offsets, pairs['dst_offsets'])
    np.testing.assert_array_equal(sources(size, radius), pairs['src'])
    flat = offsets @ [size[1], 1]
    np.testing.assert_array_equal(pairs['src'] + flat[:, None], pairs['dst'])


def test_paths(pairs):
    count = sum(key.startswith('path') for key in pairs)
    groups = [pairs[f'path{i}'] for i in range(count)]
    published = [set(map(tuple, path.tolist())) for group in groups for path in group]
    radius = int(pairs['radius'])
    offsets = [pair_offsets(radius)[i] for i in published_order(radius)]
    assert [set(_path(*offset)) for offset in offsets] == published


def test_targets(pairs):
    radius = int(pairs['radius'])
    label = torch.from_numpy(pairs['label_map'])[None]
    for dtype in (torch.uint8, torch.int64):
        targets = pair_targets(label.to(dtype), radius, NUM_CLASSES)[0].flatten(1)
        targets = targets[published_order(radius)].numpy()
        for name, kind in KINDS.items():
            np.testing.assert_array_equal(targets == kind, pairs[name] == 1)


@pytest.fixture
def case(golden):
    return golden('semformer_affinity_loss')


def test_affinity(case):
    radius = int(case['radius'])
    edge = torch.from_numpy(case['edge_logits']).sigmoid()
    affinity = pair_affinity(edge, radius)[:, published_order(radius)]
    np.testing.assert_allclose(affinity.flatten(2), case['affinity'], rtol=0, atol=1e-6)


def test_loss(case):
    radius = int(case['radius'])
    logits = torch.from_numpy(case['edge_logits']).requires_grad_()
    targets = pair_targets(torch.from_numpy(case['label_maps']), radius, NUM_CLASSES)
    for name, kind in KINDS.items():
        ordered = targets[:, published_order(radius)].flatten(2).numpy()
        np.testing.assert_array_equal(ordered == kind, case[name] == 1)
    affinity = pair_affinity(logits.sigmoid(), radius)
    for i, name in enumerate(KINDS):
        weights = [float(i == j) for j in range(3)]
        part = pair_affinity_loss(affinity, targets, weights)
        np.testing.assert_allclose(part.item(), case[f'loss_{name}'], rtol=1e-5)
    loss = pair_affinity_loss(affinity, targets)
    np.testing.assert_allclose(loss.item(), case['loss'], rtol=1e-5)
    loss.backward()
    np.testing.assert_allclose(
        logits.grad, case['grad_edge_logits'], rtol=1e-3, atol=1e-6
    )
