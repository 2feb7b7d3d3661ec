# Licensed under Apache-2.0.
"""Affinity seeds and pseudo masks from CAMs against the reference."""

import numpy as np
import pytest
import torch

from mmwsss.apis import RefineCfg
from mmwsss.apis.refine_maps import Item, cam_stacks, refine_items
from mmwsss.ops import dense_crf_labels

SHARE = 0.01  # of the pixels: another implementation of the CRF


def label_of(g, maps: str, cfg: RefineCfg) -> np.ndarray:
    """Label map of the CAMs under one name."""
    stacks, ids = cam_stacks(
        cfg, torch.from_numpy(g[maps]), torch.from_numpy(g['keys'][1:]).long())
    pixels = torch.from_numpy(g['image']).permute(2, 0, 1)
    label, = refine_items(cfg, [Item(pixels, stacks, ids)])
    return label


def assert_alike(got: np.ndarray, want: np.ndarray) -> None:
    assert got.shape == want.shape
    assert (got != want).mean() <= SHARE


@pytest.mark.parametrize('name', ['seed', 'seed2'])
def test_seeds(golden, name):
    """Foreground by the one threshold, background by the other, whichever is larger."""
    g = golden('semformer_pseudo_labels')
    foreground, background = g[f'{name}_thresholds'].tolist()
    cfg = RefineCfg('crf', 'irn', 'cam', 'labels', (background, foreground),
                    ordered=False)
    assert_alike(label_of(g, 'hr_cam', cfg), g[f'{name}_label'])


@pytest.mark.parametrize('iterations', [0, 1, 3])
def test_pseudo_masks(golden, iterations, monkeypatch):
    g = golden('semformer_pseudo_labels')
    cfg = RefineCfg('crf', 'semformer_pseudo', 'cam', 'labels',
                    (float(g['pseudo_threshold']),))
    monkeypatch.setitem(cfg.module.settings, 'iter_max', iterations)
    assert_alike(label_of(g, 'rw', cfg), g[f'pseudo_crf{iterations}'])


@pytest.mark.parametrize('iterations', [1, 10])
def test_hard_labels(golden, iterations):
    g = golden('semformer_pseudo_labels')
    label = torch.from_numpy(g['crf_in']).long()[None]
    settings = RefineCfg('crf', 'irn', 'label').module.settings
    marginals = dense_crf_labels(
        torch.from_numpy(g['image']).permute(2, 0, 1)[None].float(), label,
        len(g['keys']), **settings | dict(iter_max=iterations))
    assert_alike(marginals.argmax(1)[0].numpy(), g[f'crf_out_t{iterations}'])
