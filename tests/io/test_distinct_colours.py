# Licensed under Apache-2.0.
"""Colours that can be told apart."""

from __future__ import annotations

import numpy as np

from mmwsss.io.distinct_colours import distinct_palette


def test_black_then_colours_apart() -> None:
    colours = distinct_palette(21).astype(int)
    assert colours[0].tolist() == [0, 0, 0]
    apart = np.abs(colours[:, None] - colours).sum(-1)
    assert apart[~np.eye(21, dtype=bool)].min() >= 40
    np.testing.assert_array_equal(distinct_palette(5), distinct_palette(21)[:5])
