# Licensed under Apache-2.0.
from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.pipeline.suggest.map_statistics import MapStatistics


def flat(*values: float) -> torch.Tensor:
    """(C, 1, 400) maps, three quarters 0 and the last its value."""
    maps = torch.zeros(len(values), 1, 400)
    maps[:, 0, 300:] = torch.tensor(values)[:, None]
    return maps


def take(seen: MapStatistics, raw: torch.Tensor, present: tuple[int, ...]) -> None:
    seen.add(raw, (raw, raw), present)


@pytest.fixture
def seen() -> MapStatistics:
    """Class 1 reaches 10, class 2 4 where they are; a negative picture comes last."""
    found = MapStatistics(3, 'minmax')
    take(found, flat(10, 2, 0), (1,))
    take(found, flat(5, 4, 0), (2,))
    take(found, flat(1, 4, 0), ())
    return found


def test_own_maximum_where_it_is_and_the_class_scale_where_not(seen) -> None:
    one, two, three = seen.rows(0.3)
    assert (one.present, one.absent) == (1, 2) and (two.present, two.absent) == (1, 2)
    # 1 where it is, up to 5 / 10 of its scale where not
    assert one.held[2] == pytest.approx(1, abs=1e-4)
    assert one.missing[2] == pytest.approx(0.5, abs=1e-4)
    assert two.missing[2] == pytest.approx(1, abs=1e-4)
    assert (three.present, three.absent) == (0, 3)
    assert np.isnan(three.held).all() and np.isnan(three.missing).all()
    assert np.isnan(three.area) and np.isnan(three.leak)


def test_shares_above_the_threshold(seen) -> None:
    one, two, _ = seen.rows(0.3)
    assert (one.area, two.area) == (0.25, 0.25)
    # half of its scale in one of the two pictures without it, a tenth in the other
    assert one.leak == pytest.approx(0.25 / 2)
    assert [row.leak for row in seen.rows(0.6)[:2]] == [0, pytest.approx(0.25 / 2)]


def test_suggests_from_pictures_with_a_class_alone(seen) -> None:
    assert len(seen.curves) == 2
    assert seen.agreement().tolist() == [1.0] * 100 + [0.0]
    empty = MapStatistics(3, 'max')
    take(empty, flat(1, 1, 1), ())
    with pytest.raises(ValueError, match='none of those'):
        empty.hint()


def test_views_that_agree_on_nothing_give_no_threshold() -> None:
    found = MapStatistics(1, 'max')
    found.add(flat(5), (flat(5), flat(5).flip(-1)), (1,))
    with pytest.raises(ValueError, match='tell nothing'):
        found.hint()


def test_the_strongest_class_gets_the_pixel() -> None:
    found = MapStatistics(2, 'max')
    raw = torch.tensor([[[8.0, 8, 0, 0]], [[0.0, 1, 1, 0]]])
    take(found, raw, (1, 2))
    # of the pixel that both claim class 1 comes first, as labels have it
    assert [row.area for row in found.rows(0.5)] == [0.5, 0.25]
