# Licensed under Apache-2.0.
from __future__ import annotations

from pathlib import Path

import pytest

from mmwsss.env.cpu_bfloat16 import has_bfloat16


@pytest.mark.parametrize(
    ('text', 'known'),
    [
        ('processor : 0\nflags\t\t: fpu avx2 avx512f avx512_bf16 amx_tile\n', True),
        ('flags : fpu avx512f amx_bf16\n', True),
        ('Features\t: fp asimd bf16 i8mm\n', True),
        ('flags : fpu avx2 avx512f\nbugs : bf16\n', False),
        ('', False),
    ],
)
def test_flags_of_the_processor(text: str, known: bool, tmp_path: Path) -> None:
    (tmp_path / 'cpuinfo').write_text(text)
    assert has_bfloat16(tmp_path / 'cpuinfo') is known


def test_unknown_without_a_description(tmp_path: Path) -> None:
    assert not has_bfloat16(tmp_path / 'absent')
