# Licensed under Apache-2.0.
"""Fusion of CAM logits and segmentation logits over scales and mirrors."""

from __future__ import annotations

import pytest
import torch

from mmwsss.cam import (
    fuse_cams,
    fuse_seg_logits,
    merge_mirror,
    multi_scale,
    normalise_cam,
    resize,
    scale_order,
    scale_views,
    scaled_size,
    strided_size,
    with_mirror,
)


def logits(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pairs(count: int = 3, classes: int = 2, seed: int = 0):
    sizes = [(4, 5), (2, 3), (6, 7)][:count]
    return [
        (logits(2, classes, *s, seed=seed + i), logits(2, classes, *s, seed=9 + i))
        for i, s in enumerate(sizes)
    ]


@pytest.mark.parametrize(
    'scales,order',
    [
        ((1.0, 0.5, 1.5), (1.0, 0.5, 1.5)),
        ((0.5, 1.5), (1.0, 0.5, 1.5)),  # 1 first though not listed
        ((1.5, 1, 0.5), (1.0, 1.5, 0.5)),
        ((), (1.0,)),
    ],
)
def test_scale_order(scales, order) -> None:
    assert scale_order(scales) == order


def test_scale_one_may_be_left_out() -> None:
    assert scale_order((0.5,), add_one=False) == (0.5,)
    assert scale_order((2, 1, 0.5), add_one=False) == (1.0, 2.0, 0.5)
    images, seen = logits(2, 3, 8, 12), []
    taps = multi_scale(
        lambda x: (seen.append(x.shape) or x,), images, (0.5, 2.0), add_one=False
    )
    assert [tuple(s) for s in seen] == [(4, 3, 4, 6), (4, 3, 16, 24)]
    assert len(taps[0]) == 2


def test_scaled_size_truncates() -> None:
    assert scaled_size((33, 47), 1.5) == (49, 70)  # 49.5, 70.5
    assert scaled_size((33, 47), 0.5) == (16, 23)


def test_resize_by_hand() -> None:
    maps = torch.tensor([[[[0.0, 4.0]]]])
    assert resize(maps, (1, 2)) is maps
    # half-pixel centres: 1/4 and 3/4 between the two centres, borders replicated
    wide = torch.tensor([[[[0.0, 1.0, 3.0, 4.0]]]])
    torch.testing.assert_close(resize(maps, (1, 4)), wide)


def test_with_mirror_puts_images_first() -> None:
    images = logits(2, 3, 2, 4)
    both = with_mirror(images)
    assert torch.equal(both[:2], images)
    assert torch.equal(both[2:, ..., 0], images[..., 3])


@pytest.mark.parametrize(
    'how,expected', [('max', [3.0, 8.0]), ('sum', [4.0, 13.0]), ('mean', [2.0, 6.5])]
)
def test_merge_mirror(how, expected) -> None:
    plain = torch.tensor([[[[1.0, 5.0]]]])
    mirrored = torch.tensor([[[[8.0, 3.0]]]])  # un-mirrored: 3, 8
    assert merge_mirror(plain, mirrored, how).flatten().tolist() == expected


def test_bad_options() -> None:
    with pytest.raises(ValueError, match="'max', 'sum' or 'mean', got 'min'"):
        merge_mirror(*pairs(1)[0], 'min')
    with pytest.raises(
        ValueError, match="fuse must be 'max', 'sum' or 'mean', got 'min'"
    ):
        fuse_seg_logits(pairs(1), (4, 5), fuse='min')
    with pytest.raises(ValueError, match='at least one scale'):
        fuse_cams([], (4, 5))


def test_normalise_by_hand() -> None:
    cam = torch.tensor([[[[1.0, 3.0], [2.0, 5.0]], [[0.0, 0.0], [0.0, 0.0]]]])
    got = normalise_cam(cam, eps=1.0)
    # a map that is positive everywhere starts at 0; max of the shifted map is 4
    torch.testing.assert_close(got[0, 0], torch.tensor([[0.0, 0.4], [0.2, 0.8]]))
    assert not got[0, 1].any()


def test_fuse_by_hand() -> None:
    """Maximum of the pair, ReLU, sum over scales, minimum off, over the maximum."""
    first = (torch.tensor([[[[-1.0, 2.0]]]]), torch.tensor([[[[-3.0, -2.0]]]]))
    second = (torch.tensor([[[[1.0, 1.0]]]]), torch.tensor([[[[3.0, 0.0]]]]))
    # first: max((-1, 2), (-2, -3)) -> (0, 2); second: max((1, 1), (0, 3)) = (1, 3)
    got = fuse_cams([first, second], (1, 2), eps=0.0)
    assert got.flatten().tolist() == [0.0, 1.0]
    got = fuse_cams([first, second], (1, 2), eps=4.0)
    assert got.flatten().tolist() == [0.0, 0.5]  # (5 - 1) / (4 + 4)


def test_shapes_and_range() -> None:
    fused = fuse_cams(pairs(), (16, 20))
    assert fused.shape == (2, 2, 16, 20) and fused.dtype == torch.float32
    assert fused.min() == 0 and 0.99 < fused.max() < 1


def test_order_of_scales_and_class_independence() -> None:
    raw = pairs()
    fused = fuse_cams(raw, (16, 20))
    torch.testing.assert_close(fused, fuse_cams(raw[::-1], (16, 20)))
    alone = [tuple(m[:, 1:] for m in pair) for pair in raw]
    assert torch.equal(fused[:, 1:], fuse_cams(alone, (16, 20)))


def test_inputs_are_left_alone() -> None:
    raw = pairs()
    before = [tuple(m.clone() for m in pair) for pair in raw]
    fuse_cams(raw, (4, 5))
    assert all(
        torch.equal(a, b) for pair, old in zip(raw, before) for a, b in zip(pair, old)
    )


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_logits_give_the_same_cams(dtype) -> None:
    """The same values in half precision and in float32: the same map, bit by bit."""
    half = [tuple(m.to(dtype) for m in pair) for pair in pairs()]
    full = [tuple(m.float() for m in pair) for pair in half]
    assert torch.equal(fuse_cams(half, (16, 20)), fuse_cams(full, (16, 20)))
    assert torch.equal(fuse_seg_logits(half, (16, 20)), fuse_seg_logits(full, (16, 20)))


def test_mirrored_image_gives_the_mirrored_cam() -> None:
    raw = pairs()
    swapped = [(mirrored, plain) for plain, mirrored in raw]
    torch.testing.assert_close(
        fuse_cams(swapped, (16, 20)), fuse_cams(raw, (16, 20)).flip(-1)
    )


def network(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Two taps: 2x2 patches, their means and their left columns."""
    patches = images[..., : images.shape[-2] // 2 * 2, : images.shape[-1] // 2 * 2]
    patches = patches.unfold(-2, 2, 2).unfold(-2, 2, 2)
    return patches.mean((-2, -1)), patches[..., 0].mean(-1)


@pytest.mark.parametrize('reuse', [False, True])
def test_multi_scale(reuse: bool) -> None:
    images, seen = logits(2, 3, 8, 12), []

    def run(batch):
        seen.append(tuple(batch.shape))
        return network(batch)

    taps = multi_scale(
        run, images, (1.0, 0.5), plain=network(images) if reuse else None
    )
    assert seen == [(2 if reuse else 4, 3, 8, 12), (4, 3, 4, 6)]
    assert len(taps) == 2 and len(taps[0]) == 2
    for tap, index in zip(taps, (0, 1)):
        plain, mirrored = tap[0]
        assert torch.equal(plain, network(images)[index])
        assert torch.equal(mirrored, network(images.flip(-1))[index])
        assert tap[1][0].shape == (2, 3, 2, 3)


def test_seg_fusion_by_hand() -> None:
    raw = [
        (torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[7.0, 0.0]]]])),
        (torch.tensor([[[[4.0, -9.0]]]]), torch.tensor([[[[0.0, 3.0]]]])),
    ]
    # un-mirrored pairs: (1, 2) with (0, 7); (4, -9) with (3, 0)
    cases = dict(sum_max=[7.0, 9.0], max_sum=[5.0, 7.0], mean_max=[3.5, 4.5])
    for case, expected in cases.items():
        pair, fuse = case.split('_')
        assert fuse_seg_logits(raw, (1, 2), pair, fuse).flatten().tolist() == expected
    plain = [(p, None) for p, _ in raw]
    assert fuse_seg_logits(plain, (1, 2)).flatten().tolist() == [4.0, 2.0]


def test_fuse_by_sum_and_maximum() -> None:
    plain, mirrored = torch.tensor([[[[1.0, -5.0]]]]), torch.tensor([[[[8.0, 3.0]]]])
    # un-mirrored (3, 8): sums 4 and 3, divided by 4
    got = fuse_cams([(plain, mirrored)], (1, 2), 0.0, pair='sum', normalise='max')
    assert got.flatten().tolist() == [1.0, 0.75]
    raw = fuse_cams([(plain, mirrored)] * 2, (1, 2), pair='sum', normalise='none')
    assert raw.flatten().tolist() == [8.0, 6.0]  # two scales, added


@pytest.mark.parametrize(
    'size,stride,expected',
    [((45, 61), 4, (12, 16)), ((8, 9), 4, (2, 3)), ((7, 5), 1, (7, 5))],
)
def test_strided_size(size, stride, expected) -> None:
    assert strided_size(size, stride) == expected


def test_scale_views() -> None:
    assert scale_views('image') == {1.0: 'image'}
    assert scale_views({'scale_1': 'a', 'scale_0.5': 'b'}) == {1.0: 'a', 0.5: 'b'}
    with pytest.raises(ValueError, match='lack scale_1'):
        scale_views({'scale_2': 0})
    with pytest.raises(ValueError, match=r"scale_<number>, got \['view1'\]"):
        scale_views({'view1': 0})
