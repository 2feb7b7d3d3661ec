# Licensed under Apache-2.0.
"""Crop and iterations that fit a data set. Pure functions."""

from __future__ import annotations

#: a picture's long side to a crop, as on VOC Animals (320 to 224)
LONG_TO_CROP = 10 / 7
#: crops are multiples of it, and not smaller than three of them
STEP = 32
#: passes over the training pictures, as ToCo on VOC; and limits of the iterations
EPOCHS, FEWEST, MOST = 8, 1000, 20000
#: iterations between validations, at least
_BETWEEN = 250


def fit_crop(
    size: tuple[int, int], usual: int, least: int | None = None
) -> tuple[int, int | None]:
    """Crop for pictures of a size, and the long side that they are resized to.

    A crop far smaller than its picture rarely holds what the picture's label names; one
    of fewer than 6 x 6 tokens has no detail. Between both, pictures stay as they are.

    Args:
        size: (H, W), median of the pictures.
        usual: crop that the method is meant for.
        least: smallest one that it works with, ``least_crop`` of its config; by default
            one of 6 x 6 tokens.

    Returns:
        Side of the crop in pixels, at most ``usual``; long side, or ``None``.

    Example:
        >>> fit_crop((375, 500), 224), fit_crop((3000, 4000), 224)
        ((224, None), (224, 320))
        >>> fit_crop((48, 48), 224)
        (96, 96)
    """
    short, long = min(size), max(size)
    target = round(usual * LONG_TO_CROP)
    if long > 1.6 * target:
        return usual, target
    crop = min(usual, max(least or 3 * STEP, STEP * -(-short // STEP)))
    return crop, crop if long < crop else None


def fit_iterations(pictures: int, batch: int) -> int:
    """Iterations for a number of training pictures: 8 passes, 1,000 to 20,000."""
    wanted = EPOCHS * pictures / batch
    return int(min(max(round(wanted, -2), FEWEST), MOST))


def iterations_in(
    minutes: float, weight: float, batch: int, crop: int, threads: int, gpu: bool
) -> int:
    """Iterations that take about so many minutes, at least 20.

    Estimated from ToCo with DeiT-Ti at 224 pixels, batch 4: 1.65 s on two threads.

    Args:
        minutes: of the training, without validation.
        weight: work of the network, DeiT-Ti's being 1.
        batch: pictures an iteration.
        crop: side in pixels.
        threads: of the processor.
        gpu: whether there is a GPU; it counts as 60 threads.
    """
    threads = 60 if gpu else threads
    seconds = 1.65 * weight * (batch / 4) * (crop / 224) ** 2 * 2 / threads
    return max(round(60 * minutes / seconds), 20)


def validation_interval(iterations: int) -> int:
    """Iterations between validations: at most four, at least 250 apart, one at last."""
    return -(-iterations // max(1, min(4, iterations // _BETWEEN)))
