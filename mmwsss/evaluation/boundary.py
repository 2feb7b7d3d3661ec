# Licensed under Apache-2.0.
"""The boundary F-score: how well the contours of a label map fit the true ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

#: distance that still counts as hit, as a share of the picture's diagonal
TOLERANCE = 0.0075
#: pixels from a class up to which what has none is a rim around it (VOC's is 5 wide)
RIM = 5.0


@dataclass
class BoundaryScores:
    """Boundary F-scores of images, added up.

    Attributes:
        total: sum of the images' scores, each in [0, 1].
        images: how many have one.
    """

    total: float = 0.0
    images: int = 0

    @property
    def mean(self) -> float:
        """The score in [0, 1]; NaN without an image that has one."""
        return self.total / self.images if self.images else float('nan')

    def __iadd__(self, other: BoundaryScores) -> BoundaryScores:
        self.total += other.total
        self.images += other.images
        return self


def boundary_scores(
    truth: np.ndarray,
    label: np.ndarray,
    num_classes: int,
    tolerance: float = TOLERANCE,
) -> BoundaryScores:
    """Boundary F-score (BF) of one image: the mean over its classes.

    For a class c let B_t and B_l be the boundary pixels of its mask in truth and label,
    and θ the tolerance times the diagonal of the image, in pixels. Then

        P = share of B_l with a pixel of B_t no farther than θ,
        R = share of B_t with a pixel of B_l no farther than θ,
        F_c = 2 P R / (P + R).

    The mean is over the classes, background among them, that have a boundary in truth
    or label; a boundary that only one of them has scores 0.

    Source: Csurka, Larlus and Perronnin, What is a good evaluation measure for semantic
    segmentation?, BMVC 2013, whose score of a data set is the mean over its images and
    whose θ is 0.75 % of the diagonal.

    Pixels without a class (255, in VOC's truth a rim around each object) take that of
    the nearest pixel that has one, in truth and label: a rim is halved. A large region
    of 255 in the truth has no true contour, so what a label draws there, farther than
    both θ and 5 pixels from the region's border, doesn't count.

    Args:
        truth: (H, W) integer ids; those outside [0, ``num_classes``) are no class.
        label: (H, W), the same.
        num_classes: K, background included.
        tolerance: share of the diagonal, > 0.

    Returns:
        The score of one image, or of none where neither has a boundary, or either has
        no class at all.

    Raises:
        ValueError: if the shapes differ, or the tolerance is none.
    """
    if truth.shape != label.shape or truth.ndim != 2:
        raise ValueError(
            f'truth {truth.shape} and label {label.shape} must be maps of one size'
        )
    if not tolerance > 0:
        raise ValueError(f'tolerance must be a share > 0, got {tolerance!r}')
    known = (truth >= 0) & (truth < num_classes)
    said = (label >= 0) & (label < num_classes)
    if not known.any() or not said.any():
        return BoundaryScores()
    reach = tolerance * float(np.hypot(*truth.shape))
    counted = ndimage.distance_transform_edt(~known) <= max(reach, RIM)
    truth, label = nearest_class(truth, known), nearest_class(label, said)
    scores = []
    for c in np.union1d(truth, label):
        real, drawn = (contour(ids == c) & counted for ids in (truth, label))
        score = contour_score(real, drawn, reach)
        scores += [] if score is None else [score]
    return BoundaryScores(float(np.mean(scores)), 1) if scores else BoundaryScores()


def nearest_class(ids: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Ids (H, W) in which pixels that aren't known have that of the nearest one."""
    if known.all():
        return ids
    place = ndimage.distance_transform_edt(
        ~known, return_distances=False, return_indices=True
    )
    return ids[tuple(place)]


def contour(mask: np.ndarray) -> np.ndarray:
    """Pixels (H, W) bool of a mask that touch, by a side, a pixel outside of it.

    The border of the image is no boundary.
    """
    return mask & ~ndimage.binary_erosion(mask, border_value=1)


def contour_score(truth: np.ndarray, label: np.ndarray, reach: float) -> float | None:
    """F-score of two contours (H, W) bool; ``None`` if there is none.

    Args:
        truth, label: their pixels.
        reach: distance in pixels up to which one hits the other.
    """
    if not truth.any() and not label.any():
        return None
    if not truth.any() or not label.any():
        return 0.0
    precision = (ndimage.distance_transform_edt(~truth)[label] <= reach).mean()
    recall = (ndimage.distance_transform_edt(~label)[truth] <= reach).mean()
    both = precision + recall
    return float(2 * precision * recall / both) if both else 0.0
