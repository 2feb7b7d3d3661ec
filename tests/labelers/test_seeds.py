# Licensed under Apache-2.0.
"""Seeds of the affinity stage and refined hard labels."""

from __future__ import annotations

import pytest
import torch

from mmwsss.cam import IGNORE
from mmwsss.labelers.refiners.crf_refiner import DenseCRF
from mmwsss.labelers.seeds import affinity_seeds, hard_slots, refined_slots


class Counted:
    """A refiner that changes nothing and notes how many images it was given."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
        assert len(images) == len(maps)
        assert set(maps.unique().tolist()) <= {0.0, 1.0}
        assert torch.equal(maps.sum(1), torch.ones_like(maps[:, 0]))
        self.batches.append(len(images))
        return maps


def data(batch: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (batch, 3, 12, 14), generator=generator).float()
    coarse = torch.rand(batch, 2, 4, 4, generator=generator)
    cam = torch.nn.functional.interpolate(coarse, (12, 14), mode='bilinear')
    return images, cam


def test_hard_slots_by_hand() -> None:
    cam = torch.tensor([[[0.3, 0.2, 0.9, 0.0]], [[0.1, 0.4, 0.9, 0.0]]])[None]
    # the background wins a tie, then the first class
    assert hard_slots(cam, 0.3).tolist() == [[[0, 2, 1, 0]]]
    assert hard_slots(cam, 0.0).tolist() == [[[1, 2, 1, 0]]]


def test_three_kinds_of_pixels() -> None:
    cam = torch.tensor([[[0.8, 0.2, 0.01]]])[None]
    images = torch.zeros(1, 3, 1, 3)
    seeds = affinity_seeds(images, cam, Counted(), fg_thr=0.3, bg_thr=0.05)
    assert seeds.tolist() == [[[1, IGNORE, 0]]]
    # SemFormer's order: without a CRF nothing is ignored
    seeds = affinity_seeds(images, cam, Counted(), fg_thr=0.11, bg_thr=0.15)
    assert seeds.tolist() == [[[1, 1, 0]]]


def test_one_run_where_both_maps_coincide() -> None:
    images, cam = data()
    cam[1] = (cam[1] > 0.5).float()  # no score between the thresholds
    refine = Counted()
    affinity_seeds(images, cam, refine, 0.5, 0.4)
    assert refine.batches == [3, 2]
    refine = Counted()
    affinity_seeds(images, cam, refine, 0.5, 0.5)
    assert refine.batches == [3]


@pytest.mark.parametrize('thresholds', [(0.6, 0.4), (0.5, 0.5), (0.5, 0.52)])
def test_skipping_changes_nothing(thresholds: tuple[float, float]) -> None:
    images, cam = data()
    cam[1] = (cam[1] > 0.5).float()
    crf = DenseCRF('irn', 'labels')
    foreground, background = (refined_slots(images, cam, t, crf) for t in thresholds)
    expected = foreground.masked_fill((foreground == 0) & (background != 0), IGNORE)
    seeds = affinity_seeds(images, cam, crf, *thresholds)
    assert torch.equal(seeds, expected)
    assert seeds.dtype == torch.int64


def test_a_batch_is_its_images() -> None:
    images, cam = data()
    crf = DenseCRF('irn', 'labels', bi_xy_std=8.0)
    seeds = affinity_seeds(images, cam, crf, 0.6, 0.4)
    assert len(seeds.unique()) == 4  # two classes, background, ignored
    for i in range(3):
        one = affinity_seeds(images[i : i + 1], cam[i : i + 1], crf, 0.6, 0.4)
        assert torch.equal(one[0], seeds[i])


def test_images_without_a_class() -> None:
    images, cam = data()
    crf = DenseCRF('irn', 'labels')
    for slots in (
        affinity_seeds(images, cam[:, :0], crf),
        refined_slots(images, cam[:, :0], 0.25, crf),
    ):
        assert slots.shape == (3, 12, 14) and not slots.any()


@pytest.mark.parametrize('thresholds', [(1.2, 0.1), (0.3, -0.1)])
def test_bad_thresholds(thresholds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match='fg_thr and bg_thr must be in'):
        affinity_seeds(*data(), Counted(), *thresholds)
