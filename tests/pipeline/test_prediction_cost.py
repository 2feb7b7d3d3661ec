# Licensed under Apache-2.0.
"""A picture that would take minutes is cut into windows, a usual one is not."""

from __future__ import annotations

import pytest

from mmwsss.pipeline.prediction_cost import LargePictures, count_encoder
from tests.helpers.generation import CONFIGS
from tests.helpers.methods import build


@pytest.fixture(scope='module')
def model():
    return build(CONFIGS['toco']).eval()


def test_attention_is_counted(model) -> None:
    one, _ = count_encoder(model, (96, 96))
    four, largest = count_encoder(model, (192, 192))
    tokens, width, layers = 145, 96, 6
    least = 2 * layers * (12 * width**2 * tokens + 2 * tokens**2 * width)
    assert least <= one <= 1.2 * least
    assert four > 4.2 * one and largest >= 4 * 4 * 577**2


def test_a_network_of_five_bands_is_counted_too(model) -> None:
    three, _ = count_encoder(model, (96, 96))
    five, _ = count_encoder(
        build(CONFIGS['toco'], backbone=dict(in_channels=5)).eval(), (96, 96)
    )
    assert three < five < 1.1 * three  # the patch embedding alone grows


def test_small_and_large_pictures(model) -> None:
    large = LargePictures(model)
    assert large.overrides((375, 500)) == {}
    assert large.overrides((1500, 2000)) == dict(windows=dict(size=(96, 96)))


def test_fewer_views_where_windows_take_long_too(model) -> None:
    found = LargePictures(model, fewer_views=True).overrides((1500, 2000))
    assert found['cam']['scales'] == (1.0,) and not found['cam']['mirror']


def test_what_the_user_says_stays(model) -> None:
    for said in (dict(windows=dict(size=(64, 64))), dict(input=dict(long_side=512))):
        assert LargePictures(model, said).overrides((1500, 2000)) == {}
