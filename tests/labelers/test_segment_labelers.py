# Licensed under Apache-2.0.
"""Segments that vote for labels, and segments that take their place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mmwsss.labelers.segment_shares import (
    consecutive,
    kept_segments,
    label_maps,
    segment_means,
    segment_totals,
)
from mmwsss.registry import LABELERS
from mmwsss.structures import ImageLabels, PseudoLabel

SIZE = (17, 23)
LABELS = ImageLabels.from_lists([(0, 2), (1,)], 3)


def scene(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random maps (2, 2, H, W) and segments (2, H, W) with gaps in their numbers."""
    generator = torch.Generator().manual_seed(seed)
    cam = LABELS.valid(torch.rand(2, 2, *SIZE, generator=generator))
    segments = torch.randint(0, 6, (2, *SIZE), generator=generator) * 7
    return cam, segments


def run(cfg: dict, cam: Tensor, segments: Tensor) -> PseudoLabel:
    pixels = torch.zeros(2, 3, *cam.shape[-2:])
    return LABELERS.build(cfg)(pixels, cam, LABELS, segments=segments)


# ------------------------------------------------------------------- pure functions
def test_totals_and_means_against_a_loop() -> None:
    cam, segments = scene()
    numbers, means = consecutive(segments), segment_means(cam, segments)
    totals = segment_totals(cam, numbers)
    assert means.dtype == torch.float32 and totals.dtype == torch.float64
    for b in range(2):
        for n, one in enumerate(segments[b].unique()):
            inside = segments[b] == one
            assert (numbers[b].view(SIZE)[inside] == n).all()
            for k in range(2):
                values = cam[b, k][inside].double()
                torch.testing.assert_close(totals[b, k, n], values.sum())
                expected = values.mean().float().expand(len(values))
                torch.testing.assert_close(means[b, k][inside], expected)


def test_means_have_the_gradient_of_a_mean() -> None:
    cam, segments = scene()
    small = cam[:, :, :3, :4].double().requires_grad_()
    fixed = segments[:, :3, :4]
    assert torch.autograd.gradcheck(lambda maps: segment_means(maps, fixed), small)


def test_label_maps_leave_ignored_pixels_and_unused_slots_out() -> None:
    ids = torch.tensor([[[0, 1, 3, 255]], [[0, 2, 0, 255]]])
    maps = label_maps(ids, LABELS.ids)
    assert maps.shape == (2, 3, 1, 4)
    assert maps[0, :, 0].tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    assert maps[1, :, 0].tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def kept_by_definition(
    label: np.ndarray, segments: np.ndarray, of_segment: float, of_label: float
) -> np.ndarray:
    """Segment by segment, with sets of pixels. Classes are 1..K of ``label``."""
    out = np.zeros_like(label)
    for number in set(segments.flat) - {0}:
        inside = segments == number
        shared = [(inside & (label == c)).sum() for c in (1, 2)]
        if max(shared) == 0:
            continue
        c = int(np.argmax(shared)) + 1
        if (
            shared[c - 1] / inside.sum() > of_segment
            or shared[c - 1] / (label == c).sum() > of_label
        ):
            out[inside] = c
    return out


@pytest.mark.parametrize('shares', [(0.5, 0.85), (0.3, 0.15), (0.36, 2.0), (2.0, 0.2)])
def test_kept_segments_against_the_definition(shares: tuple[float, float]) -> None:
    generator = np.random.default_rng(1)
    label = generator.integers(0, 3, (2, *SIZE))
    segments = generator.integers(0, 9, (2, *SIZE)) * 3
    segments[0, :5], label[0, :5] = 40, 2  # one that is a class whole
    maps = label_maps(torch.from_numpy(label), torch.tensor([[1, 2]] * 2))[:, 1:]
    got = kept_segments(maps, torch.from_numpy(segments), *shares)
    for b in range(2):
        expected = kept_by_definition(label[b], segments[b], *shares)
        assert np.array_equal(got[b].numpy(), expected)
    assert got.any()


# ------------------------------------------------------------------------ the votes
def vote_by_definition(
    votes: np.ndarray, segments: np.ndarray, ids: list[int]
) -> np.ndarray:
    """(K + 1, H, W) votes, background first → ids; without a segment by pixel."""
    out = np.zeros(segments.shape, int)
    for number in set(segments.flat):
        inside = segments == number
        if number:
            mean = votes[:, inside].mean(1)
            out[inside] = ids[int(mean.argmax())]
        else:
            out[inside] = np.asarray(ids)[votes[:, inside].argmax(0)]
    return out


@pytest.mark.parametrize('vote', ['soft', 'hard'])
def test_votes_against_the_definition(vote: str) -> None:
    cam, segments = scene(3)
    cfg = dict(type='SegmentVote', bkg_thr=0.55, vote=vote)
    found = run(cfg, cam, segments)
    for b, ids in enumerate(([0, 1, 3], [0, 2, 0])):
        votes = torch.cat([torch.full((1, *SIZE), 0.55), cam[b]]).numpy()
        if vote == 'hard':
            best = votes.argmax(0)
            votes = np.stack([best == k for k in range(3)]).astype(float)
        expected = vote_by_definition(votes, segments[b].numpy(), ids)
        assert np.array_equal(found.ids[b].numpy(), expected)
    assert found.confidence.min() >= 0 and found.confidence.max() <= 1


def row(values: list[float]) -> tuple[Tensor, Tensor]:
    """A CAM (2, 2, 1, 6) with these scores of the first class, and two segments."""
    cam = torch.zeros(2, 2, 1, 6)
    cam[:, 0, 0] = torch.tensor(values)
    return cam, torch.tensor([[[1, 1, 1, 1, 1, 0]]] * 2)


@pytest.mark.parametrize(
    'more,expected',
    [
        (dict(), [1, 1, 1, 1, 1, 1]),
        (dict(min_share=0.6), [1, 1, 1, 1, 1, 1]),
        (dict(min_share=0.7), [1, 1, 1, 0, 0, 1]),
        (dict(min_share=0.7, undecided='ignore'), [255] * 5 + [1]),
        (dict(min_share=0.7, undecided='background'), [0] * 5 + [1]),
        (dict(unsegmented='background'), [1] * 5 + [0]),
        (dict(unsegmented='ignore'), [1] * 5 + [255]),
    ],
)
def test_what_no_segment_decides(more: dict, expected: list[int]) -> None:
    cam, segments = row([0.9, 0.9, 0.9, 0.1, 0.1, 0.9])  # 3 of 5 votes
    cfg = dict(type='SegmentVote', bkg_thr=0.5, vote='hard') | more
    found = run(cfg, cam, segments)
    assert found.ids[0, 0].tolist() == expected
    assert found.confidence[0, 0][torch.tensor(expected) == 255].tolist() == [
        0.0
    ] * expected.count(255)


def test_votes_of_another_rule() -> None:
    """Ignored pixels have no vote."""
    cam, segments = row([0.9, 0.4, 0.4, 0.4, 0.4, 0.4])
    rule = dict(type='TwoThresholdLabeler', low_thr=0.3, high_thr=0.5)
    found = run(dict(type='SegmentVote', labeler=rule, vote='hard'), cam, segments)
    assert found.ids[0, 0].tolist() == [1, 1, 1, 1, 1, 255]
    none = cam[..., :1] * 0 + 0.4  # all in between: nobody votes, pixels stay
    found = run(
        dict(type='SegmentVote', labeler=rule, vote='hard'), none, segments[..., :1]
    )
    assert found.ids.tolist() == [[[255]]] * 2


def test_soft_maps_of_a_refined_label_vote() -> None:
    cam, segments = scene()
    soft = dict(type='ThresholdLabeler', bkg_thr=0.5, refiner=dict(type='PAR'))
    found = run(dict(type='SegmentVote', labeler=soft), cam, segments)
    maps = LABELERS.build(soft)(torch.zeros(2, 3, *SIZE), cam, LABELS).soft
    for b, ids in enumerate(([0, 1, 3], [0, 2, 0])):
        expected = vote_by_definition(maps[b].numpy(), segments[b].numpy(), ids)
        assert np.array_equal(found.ids[b].numpy(), expected)


def test_a_rule_without_soft_maps_votes_hard_only() -> None:
    cam, segments = scene()
    rule = dict(type='SeedLabeler', fg_thr=0.5, bg_thr=0.3)
    with pytest.raises(ValueError, match="SeedLabeler gives no soft maps.*vote='hard'"):
        run(dict(type='SegmentVote', labeler=rule), cam, segments)


def test_thresholds_are_those_of_the_rule_for_pixels() -> None:
    cam, segments = scene()
    short = LABELERS.build(dict(type='SegmentVote', bkg_thr=0.3, vote='hard'))
    other = short.with_thresholds(bkg_thr=0.6)
    pixels = torch.zeros(2, 3, *SIZE)
    expected = run(
        dict(type='SegmentVote', bkg_thr=0.6, vote='hard'), cam, segments
    ).ids
    assert torch.equal(other(pixels, cam, LABELS, segments=segments).ids, expected)
    rule = dict(type='TwoThresholdLabeler', low_thr=0.3, high_thr=0.5)
    merge = LABELERS.build(dict(type='SegmentMerge', labeler=rule, of_label=None))
    assert merge.with_thresholds(low_thr=0.2).of_label is None
    assert not merge.reads_pixels
    refined = rule | dict(refiner=dict(type='PAR'))
    assert LABELERS.build(dict(type='SegmentMerge', labeler=refined)).reads_pixels


# ------------------------------------------------------------------------- the merge
def merge_by_definition(
    label: np.ndarray, segments: np.ndarray, shares: tuple, else_label: bool
) -> np.ndarray:
    out = kept_by_definition(label, segments, *shares)
    for c in (1, 2):
        if else_label and not (out == c).any():
            out[(label == c) & (out == 0)] = c
    return out


@pytest.mark.parametrize('else_label', [True, False])
@pytest.mark.parametrize('shares', [(0.5, 0.85), (0.37, 0.2), (0.9, 0.9)])
def test_merge_against_the_definition(shares: tuple, else_label: bool) -> None:
    cam, segments = scene(5)
    cam[0, 0, :6], segments[0, :5] = 1, 70
    cfg = dict(type='SegmentMerge', bkg_thr=0.5, else_label=else_label)
    found = run(cfg | dict(zip(('of_segment', 'of_label'), shares)), cam, segments)
    label = torch.cat([torch.full((2, 1, *SIZE), 0.5), cam], 1).argmax(1).numpy()
    for b, ids in enumerate(([0, 1, 3], [0, 2, 0])):
        expected = merge_by_definition(
            label[b], segments[b].numpy(), shares, else_label
        )
        assert np.array_equal(found.ids[b].numpy(), np.asarray(ids)[expected])


def test_merge_keeps_what_is_ignored() -> None:
    cam, segments = row([0.9, 0.9, 0.9, 0.4, 0.1, 0.4])
    rule = dict(type='TwoThresholdLabeler', low_thr=0.3, high_thr=0.5)
    found = run(dict(type='SegmentMerge', labeler=rule), cam, segments)
    assert found.ids[0, 0].tolist() == [1, 1, 1, 1, 1, 255]


# ------------------------------------------------------------------------- bad input
@pytest.mark.parametrize('name', ['SegmentVote', 'SegmentMerge'])
@pytest.mark.parametrize(
    'cfg,message',
    [
        (dict(), r'needs the background of the pixels'),
        (dict(bkg_thr=0.3, labeler=dict(type='ComplementLabeler')), 'instead'),
        (
            dict(labeler=dict(type='SegmentVote', bkg_thr=0.3)),
            'takes a rule for pixels',
        ),
        (dict(bkg_thr=0.3, refiner=dict(type='PAR')), 'leave it out, or give it to'),
        (dict(bkg_thr=2), r'bkg_thr .* must be in \[0, 1\], got 2'),
    ],
)
def test_refused(name: str, cfg: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LABELERS.build(dict(type=name) | cfg)


@pytest.mark.parametrize(
    'cfg,message',
    [
        (dict(type='SegmentVote', vote='loud'), "vote.*'loud'"),
        (dict(type='SegmentVote', min_share=1.5), r'min_share must be in \[0, 1\]'),
        (dict(type='SegmentVote', unsegmented='x'), "unsegmented.*'x'"),
        (dict(type='SegmentMerge', of_segment=-1), r'of_segment must be in \[0, 1\]'),
        (
            dict(type='SegmentMerge', of_segment=None, of_label=None),
            'no segment is kept',
        ),
    ],
)
def test_settings_out_of_range(cfg: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LABELERS.build(dict(bkg_thr=0.3) | cfg)


# ------------------------------------------------------------------ compiled, AMP, GPU
@pytest.mark.parametrize('name', ['SegmentVote', 'SegmentMerge'])
def test_autocast_changes_nothing(name: str) -> None:
    cam, segments = scene()
    plain = run(dict(type=name, bkg_thr=0.5), cam, segments).ids
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(run(dict(type=name, bkg_thr=0.5), cam, segments).ids, plain)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
@pytest.mark.parametrize('name', ['SegmentVote', 'SegmentMerge'])
def test_the_same_on_a_gpu(name: str) -> None:
    cam, segments = scene()
    labels = ImageLabels(*(part.cuda() for part in LABELS))
    labeler = LABELERS.build(dict(type=name, bkg_thr=0.5)).cuda()
    pixels = torch.zeros(2, 3, *SIZE, device='cuda')
    found = labeler(pixels, cam.cuda(), labels, segments=segments.cuda()).ids
    plain = run(dict(type=name, bkg_thr=0.5), cam, segments).ids
    assert torch.equal(found.cpu(), plain)
