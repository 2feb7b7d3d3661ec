# Licensed under Apache-2.0.
"""What a large picture takes: the benchmark runs, and its bound holds."""

from __future__ import annotations

import pytest

from tests.helpers import ROOT


@pytest.fixture
def benchmark(load_tool):
    return load_tool(ROOT / 'benchmarks' / 'large_picture.py')


def test_it_measures(benchmark, capfd) -> None:
    found = benchmark.main(['--size', '300', '200', '--outputs', 'cam'])
    assert found['peak_gib'] >= found['start_gib'] > 0.1 and found['seconds'] > 0
    assert 'on 300 x 200 pixels (cam)' in capfd.readouterr().out


@pytest.mark.slow
def test_108_million_pixels_within_4_gib(benchmark) -> None:
    found = benchmark.main(['--size', '12000', '9000'])
    assert found['peak_gib'] <= 4
