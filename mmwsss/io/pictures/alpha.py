# Licensed under Apache-2.0.
"""What becomes of an alpha channel."""

from __future__ import annotations

import numpy as np

from mmwsss.io.data_errors import PictureError
from mmwsss.io.wording import of_data_set, setting

from .picture_rule import PictureRule


def without_alpha(path: str, values: np.ndarray, rule: PictureRule) -> np.ndarray:
    """The colours of a picture whose last band is an alpha channel.

    Args:
        path: of the picture.
        values: (H, W, N + 1), as stored.
        rule: of its data set, whose ``background`` is laid under 8-bit pictures.

    Returns:
        (H, W, N).

    Raises:
        PictureError: if something is transparent, and no background is given or the
            picture has more than 8 bits.
    """
    opaque = 255 if values.dtype == np.uint8 else np.iinfo(values.dtype).max
    hidden = float(np.mean(values[..., -1] != opaque))
    if not hidden:
        return values[..., :-1]
    if rule.background is not None and values.dtype == np.uint8:
        return flattened(values, rule.colour)
    flat, colours = dict(background='white'), dict(bands=(0, 1, 2))
    raise PictureError(
        path,
        f'is transparent in {hidden:.1%} of its pixels, whose colours nobody sees',
        f'lay a colour under it by {of_data_set("picture", flat)} (8-bit pictures), or '
        f'take the colours under the transparency by {setting("picture", colours)}',
    )


def flattened(values: np.ndarray, colour: tuple[int, ...]) -> np.ndarray:
    """A picture laid on one colour.

    Args:
        values: (H, W, N + 1) uint8; the last band is the opacity, 0..255.
        colour: N numbers, 0..255.

    Returns:
        (H, W, N) uint8: opacity * picture + (1 - opacity) * colour, rounded.
    """
    share = values[..., -1:].astype(np.float32) / 255
    mixed = share * values[..., :-1] + (1 - share) * np.asarray(colour, np.float32)
    return np.rint(mixed).astype(np.uint8)
