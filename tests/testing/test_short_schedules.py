# Licensed under Apache-2.0.
"""Schedules of a long training within a few iterations."""

from __future__ import annotations

import pytest

from mmwsss.testing.short_schedules import short_schedules


def test_changes_keep_their_order() -> None:
    settings = dict(
        weights=dict(cls=1.0, seg=[(0, 0.0), (120, 0.3)], reg=[(0, 0.0), (300, 0.1)]),
        mask=dict(strategy=[(0, 'random'), (120, 'uncertain')], scales=(1.0, 0.5)),
        ema_momentum=dict(start=0.9, end=1.0, iters=600),
        cam=dict(scales=(1.0, 0.5, 1.5)),
        squash=(96, 96),
    )
    assert short_schedules(settings) == dict(
        weights=dict(cls=1.0, seg=[(0, 0.0), (2, 0.3)], reg=[(0, 0.0), (3, 0.1)]),
        mask=dict(strategy=[(0, 'random'), (2, 'uncertain')], scales=(1.0, 0.5)),
        ema_momentum=dict(start=0.9, end=1.0, iters=6),
        cam=dict(scales=(1.0, 0.5, 1.5)),
        squash=(96, 96),
    )


def test_too_many_changes() -> None:
    steps = [(0, 0.0), (10, 0.1), (20, 0.2)]
    with pytest.raises(ValueError, match=r'2 changes, at iterations \[10, 20\].*got 3'):
        short_schedules(dict(weights=dict(seg=steps)), iterations=3)
