# Licensed under Apache-2.0.
"""The boundary F-score against its definition and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from mmwsss.evaluation.boundary import BoundaryScores, boundary_scores, nearest_class


def blobs(seed: int, size: tuple[int, int] = (40, 56)) -> np.ndarray:
    """A label map of the ids 0..3 in coarse patches."""
    generator = np.random.default_rng(seed)
    return np.kron(generator.integers(0, 4, (5, 7)), np.ones((8, 8), int))[
        : size[0], : size[1]
    ]


def contour_points(mask: np.ndarray) -> np.ndarray:
    """Pixel by pixel: inside, with a neighbour of the picture that is outside."""
    height, width = mask.shape
    return np.array(
        [
            (y, x)
            for y, x in np.argwhere(mask)
            if any(
                0 <= v < height and 0 <= u < width and not mask[v, u]
                for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
            )
        ]
    ).reshape(-1, 2)


def by_definition(truth: np.ndarray, label: np.ndarray, tolerance: float) -> float:
    """Mean over the classes, with all distances between contour pixels."""
    reach, scores = tolerance * np.hypot(*truth.shape), []
    for c in set(truth.flat) | set(label.flat):
        real, drawn = contour_points(truth == c), contour_points(label == c)
        if not len(real) and not len(drawn):
            continue
        if not len(real) or not len(drawn):
            scores.append(0.0)
            continue
        distance = cdist(drawn, real)
        p, r = ((distance.min(i) <= reach).mean() for i in (1, 0))
        scores.append(2 * p * r / (p + r) if p + r else 0.0)
    return float(np.mean(scores))


@pytest.mark.parametrize('tolerance', [0.0075, 0.02, 0.08])
def test_against_the_definition(tolerance: float) -> None:
    for seed in range(4):
        truth, label = blobs(seed), np.roll(blobs(seed), seed, 1)
        label[5 * seed : 5 * seed + 7, :9] = 3
        got = boundary_scores(truth, label, 4, tolerance)
        assert got.images == 1
        assert got.total == pytest.approx(by_definition(truth, label, tolerance))


def square(left: int, top: int = 20) -> np.ndarray:
    label = np.zeros((60, 80), int)  # diagonal 100: 0.75 pixels count as hit
    label[top : top + 20, left : left + 30] = 1
    return label


def test_by_hand() -> None:
    assert boundary_scores(square(10), square(10), 2).mean == 1
    assert boundary_scores(square(10), square(45, 0) * 0, 2).mean == 0
    # Moved down by a pixel. Object: 96 pixels, hit are the sides less an end, 2 * 19;
    # background: its 100 around the object, hit are 2 * 19 as well.
    moved = boundary_scores(square(10), square(10, 21), 2)
    assert moved.mean == pytest.approx((38 / 96 + 38 / 100) / 2)
    assert boundary_scores(square(10), square(10, 21), 2, 0.0101).mean == 1


def test_rims_without_a_class_are_halved() -> None:
    truth, rim = square(10), square(10)
    rim[17:43, 7:43] = 255
    rim[23:37, 13:37] = 1
    # but for the corners, which a halved rim rounds
    assert boundary_scores(rim, truth, 2).mean > 0.95
    assert boundary_scores(rim, truth, 2, 0.02).mean == 1
    assert boundary_scores(truth, rim, 2, 0.02).mean == 1


def test_what_is_drawn_where_no_truth_is_does_not_count() -> None:
    truth, label = square(10), square(10)
    truth[:, 50:] = 255
    label[30:50, 60:75] = 1
    assert boundary_scores(truth, label, 2).mean == 1
    assert boundary_scores(square(10), label, 2).mean < 1


def test_images_without_a_boundary_have_no_score() -> None:
    zeros, ignored = np.zeros((6, 8), int), np.full((6, 8), 255)
    total = BoundaryScores()
    for pair in ((zeros, zeros), (ignored, zeros), (zeros, ignored)):
        total += boundary_scores(*pair, 2)
    assert total.images == 0 and np.isnan(total.mean)
    total += boundary_scores(square(10), square(10), 2)
    total += boundary_scores(square(10), np.zeros((60, 80), int), 2)
    assert (total.images, total.mean) == (2, 0.5)


def test_nearest_class() -> None:
    ids = np.array([[1, 255, 255, 255, 2]])
    assert nearest_class(ids, ids < 255)[0, [0, 1, 3, 4]].tolist() == [1, 1, 2, 2]


def test_bad_input() -> None:
    with pytest.raises(ValueError, match='maps of one size'):
        boundary_scores(square(10), square(10)[:-1], 2)
    with pytest.raises(ValueError, match='tolerance must be a share > 0, got 0'):
        boundary_scores(square(10), square(10), 2, 0)
