# Licensed under Apache-2.0.
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmwsss.evaluation.areas import ClassAreas
from mmwsss.evaluation.photo_areas import write_photo_areas
from mmwsss.io.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tool(load_tool):
    return load_tool(ROOT / 'tools' / 'analysis_tools' / 'compare_tests.py')


def run(folder: Path, hits: dict[str, int], names: str = 'abc') -> Path:
    """A test's work dir: per photo 100 pixels a class, of which ``hits`` are right."""
    truth = np.array([100, 100])
    areas = {
        output: [ClassAreas(np.array([n, n]), truth, truth) for _ in names]
        for output, n in hits.items()
    }
    write_photo_areas(list(names), areas, folder / 'areas.npz')
    return folder


def test_two_tests(tool, tmp_path, capsys) -> None:
    one = run(tmp_path / 'one', dict(seg=100, cam=50))
    two = run(tmp_path / 'two', dict(seg=50))
    first, second, difference = tool.compare(one, two)
    assert (first, second) == (100, pytest.approx(100 / 3))
    assert difference.value == pytest.approx(200 / 3)
    assert difference.low == pytest.approx(difference.high)  # all photos are alike
    same = tool.compare(one / 'areas.npz', two, 'cam:seg')
    assert same[2].value == 0
    tool.main([str(one), str(two)])
    assert 'seg: 100.0 against 33.3 mIoU, +66.7 [' in ''.join(capsys.readouterr())


def test_what_cannot_be_compared(tool, tmp_path) -> None:
    one = run(tmp_path / 'one', dict(seg=100))
    with pytest.raises(UserError, match=r"holds no 'cam'; it holds \['seg'\]"):
        tool.compare(one, one, 'cam')
    other = run(tmp_path / 'other', dict(seg=100), names='abd')
    with pytest.raises(UserError, match='tests on other photos'):
        tool.compare(one, other)
    with pytest.raises(ValueError, match='absent.*holds no counts'):
        tool.compare(one, tmp_path / 'absent')
