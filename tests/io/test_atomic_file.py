# Licensed under Apache-2.0.
"""Files that were cut off by a power failure are told from whole ones."""

from __future__ import annotations

import numpy as np
import pytest

from mmwsss.io.atomic_file import is_whole
from mmwsss.io.label_png import save_label_png
from mmwsss.io.score_files import save_scores


@pytest.mark.parametrize('name', ['a b.png', 'a.npz'])
def test_every_cut_is_seen(tmp_path, name) -> None:
    path = tmp_path / name
    assert not is_whole(path)
    if name.endswith('png'):
        save_label_png(np.arange(12).reshape(3, 4), path)
    else:
        save_scores(path, np.zeros((0, 1, 1)), [], (1, 1))
    assert is_whole(path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert not is_whole(path), length


def test_other_files_only_have_to_be_there(tmp_path) -> None:
    (tmp_path / 'a.txt').write_text('')
    assert is_whole(tmp_path / 'a.txt') and not is_whole(tmp_path)
