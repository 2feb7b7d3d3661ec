# Licensed under Apache-2.0.
"""The momentum of IRNet's configs: that of the release, or the one meant."""

from __future__ import annotations

import pytest

from tests.helpers.published import check_momentum_slip, check_real_momentum


@pytest.mark.parametrize('name,slipped,meant', [('irn/irn_r50_voc', 1e-4, 0.9)])
def test_momentum_slip(name: str, slipped: float, meant: float) -> None:
    check_momentum_slip(name, slipped, meant)


@pytest.mark.parametrize('name', ['irn/irn_r18_shapes'])
def test_short_trainings_have_a_real_momentum(name: str) -> None:
    check_real_momentum(name)
