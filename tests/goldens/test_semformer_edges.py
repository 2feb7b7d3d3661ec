# Licensed under Apache-2.0.
"""Edge head, mirror average and the whole walk against the reference (SemFormer)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.methods.irn.edge_head import EdgeHead
from mmwsss.methods.irn.edge_walk import edge_of_pair, enlarge_walked, walk_maps
from tests.goldens.semformer_model import walk_rounding


@pytest.fixture
def case(golden):
    return golden('semformer_edge_head')


def rename(key: str) -> str:
    """A name of the released checkpoint → ours."""
    layer, rest = key.removeprefix('fc_edge').split('.', 1)
    return f'fuse.{rest}' if layer == '6' else f'branches.{int(layer) - 1}.{rest}'


def test_head(case):
    count = sum(key.startswith('feat') for key in case)
    maps = [torch.from_numpy(case[f'feat{i}']) for i in range(1, count + 1)]
    head = EdgeHead(
        [one.shape[1] for one in maps], channels=len(case['sd.fc_edge1.0.weight'])
    )
    state = {
        rename(key.removeprefix('sd.')): torch.from_numpy(value)
        for key, value in case.items()
        if key.startswith('sd.')
    }
    head.load_state_dict(state, strict=True)
    np.testing.assert_allclose(
        head(maps).detach(), case['edge_logits'], rtol=1e-4, atol=1e-5
    )


def test_mirror_average(case):
    plain, mirrored = torch.from_numpy(case['tta_logits'])
    edge = edge_of_pair(plain, mirrored, tuple(case['tta_image_hw'].tolist()))
    np.testing.assert_allclose(edge, case['tta_edge'], rtol=1e-4, atol=1e-5)


def test_walk_of_two_sizes_at_once(golden):
    """Both images in one batch, each with its own size and number of classes.

    What the stored matrix errs is taken off the stored walk.
    """
    data = golden('semformer_random_walk')
    cases = [
        {
            key.removesuffix(tag): value
            for key, value in data.items()
            if key.endswith(tag)
        }
        for tag in ('_a', '_b')
    ]
    maps, edges = (
        [torch.from_numpy(case[name]) for case in cases] for name in ('cams', 'edge')
    )
    for i, case in enumerate(cases):
        walked = walk_maps(maps, edges, *case['params'].tolist())[i]
        rounded, exact = map(torch.from_numpy, walk_rounding(case))
        np.testing.assert_allclose(
            walked, case['rw'][:, 0] + (exact - rounded).numpy(), rtol=1e-4
        )
        size = tuple(case['out_hw'].tolist())
        error = enlarge_walked(exact, size) - enlarge_walked(rounded, size)
        np.testing.assert_allclose(
            enlarge_walked(walked, size), case['rw_up'] + error.numpy(), rtol=1e-4
        )
