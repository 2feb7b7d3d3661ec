# Licensed under Apache-2.0.
"""Compact maps of the present classes mean the same as maps of all classes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmwsss.cam import fuse_cams, strongest_class, three_way_label, threshold_label
from mmwsss.structures import ImageLabels
from tests.helpers.published_labels import refined_label

C = 5
#: image labels of a batch: any channels, doubled ones too, or none at all
batches = st.lists(st.lists(st.integers(0, C - 1), max_size=4), min_size=1, max_size=4)


def test_by_hand() -> None:
    labels = ImageLabels.from_lists([(3, 0), (), (2,)], num_foreground=4)
    assert labels.score.tolist() == [[1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0]]
    assert labels.ids.tolist() == [[1, 4], [0, 0], [3, 0]]
    assert labels.mask.tolist() == [[True, True], [False, False], [True, False]]
    assert labels.score.dtype == torch.float32 and labels.ids.dtype == torch.long
    assert len(labels) == 3
    assert labels.select(slice(2, None)).ids.tolist() == [[3, 0]]


def test_scatter_is_the_way_back() -> None:
    labels = ImageLabels.from_lists([(2, 0), (1,), ()], num_foreground=3)
    compact = torch.tensor([[1.0, 2], [3, 4], [5, 6]]).view(3, 2, 1, 1)
    full = labels.scatter(compact)
    assert full.flatten(1).tolist() == [[1, 0, 2], [0, 3, 0], [0, 0, 0]]
    assert torch.equal(labels.valid(labels.gather(full)), labels.valid(compact))


def test_gather_valid_and_back() -> None:
    labels = ImageLabels.from_lists([(2, 0), (1,)], num_foreground=3)
    maps = torch.arange(1.0, 7.0).view(2, 3, 1, 1)  # 1 2 3 / 4 5 6
    assert labels.gather(maps).flatten(1).tolist() == [[1, 3], [5, 4]]
    assert labels.valid(labels.gather(maps)).flatten(1).tolist() == [[1, 3], [5, 0]]
    assert labels.gather(maps.flatten(1)).tolist() == [[1, 3], [5, 4]]  # scores alike
    slots = torch.tensor([[[0, 1, 2]], [[1, 0, 2]]])
    assert labels.to_ids(slots).tolist() == [[[0, 1, 3]], [[2, 0, 0]]]


def test_every_class() -> None:
    labels = ImageLabels.every_class(2, 3)
    maps = torch.randn(2, 3, 2, 2)
    assert torch.equal(labels.valid(labels.gather(maps)), maps)
    assert labels.ids.tolist() == [[1, 2, 3]] * 2


@pytest.mark.parametrize('channel', [-1, 3])
def test_bad_channel(channel: int) -> None:
    with pytest.raises(ValueError, match=rf'image 1 .* \[{channel}\].*0\.\.2'):
        ImageLabels.from_lists([(0,), (1, channel)], num_foreground=3)


@settings(max_examples=60, deadline=None)
@given(batches, st.integers(0, 2**31))
def test_compact_equals_full(lists, seed: int) -> None:
    """The same labels from K compact channels as from C masked ones."""
    generator = torch.Generator().manual_seed(seed)
    raw = [
        tuple(torch.randn(len(lists), C, 3, 4, generator=generator) for _ in range(2))
        for _ in range(2)
    ]
    labels = ImageLabels.from_lists(lists, C)
    full = fuse_cams(raw, (6, 8)) * labels.score[..., None, None]
    present = [tuple(labels.gather(m) for m in pair) for pair in raw]
    compact = labels.valid(fuse_cams(present, (6, 8)))
    score, label = strongest_class(full)
    score_k, label_k = strongest_class(compact, labels.ids)
    assert torch.equal(score, score_k)
    for rule in (
        lambda s, c: threshold_label(s, c, 0.3),
        lambda s, c: three_way_label(s, c, 0.2, 0.6),
    ):
        assert torch.equal(rule(score, label), rule(score_k, label_k))
    assert not score[~labels.mask.any(1)].any()  # an image without labels


@settings(max_examples=30, deadline=None)
@given(batches, st.integers(0, 2**31))
def test_refined_label_ignores_the_company(lists, seed: int) -> None:
    """A refined label doesn't depend on how many classes the other images hold."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(len(lists), 3, 8, 8, generator=generator)
    labels = ImageLabels.from_lists(lists, C)
    maps = torch.rand(len(lists), C, 8, 8, generator=generator)

    def refine(image: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(soft, 3, 1, 1)  # treats channels alike

    def label(index: slice) -> torch.Tensor:
        some = labels.select(index)
        cam = some.valid(some.gather(maps[index]))
        return refined_label(images[index], cam, some, 0.6, 0.3, refine)

    together = label(slice(None))
    for i, channels in enumerate(lists):
        alone = ImageLabels.from_lists([channels], C)
        cam = alone.valid(alone.gather(maps[i : i + 1]))
        single = refined_label(images[i : i + 1], cam, alone, 0.6, 0.3, refine)
        assert torch.equal(single[0], together[i])
        allowed = {0, 255, *(c + 1 for c in channels)}
        assert set(together[i].unique().tolist()) <= allowed
    assert torch.equal(label(slice(0, 1)), together[:1])
