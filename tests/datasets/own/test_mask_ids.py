# Licensed under Apache-2.0.
"""Masks of other tools: found, and read as class ids."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.mask_checks.mask_facts import look_at
from mmwsss.datasets.own.mask_ids import (
    are_binary,
    find_masks,
    object_ids,
    perhaps_inverted,
)
from mmwsss.io.data_errors import MaskError


def write(path, values) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, np.uint8)).save(path)
    return str(path)


def test_found_by_name(tmp_path) -> None:
    one = write(tmp_path / 'bad' / '1.png', [[0]])
    two = write(tmp_path / '2_mask.png', [[0]])
    names = {'train/bad/1.jpg': ('bad/1.jpg',), 'good/2.jpg': (), 'bad/3.jpg': ()}
    assert find_masks(str(tmp_path), names) == {
        'train/bad/1.jpg': one, 'good/2.jpg': two
    }  # fmt: skip


def test_a_name_that_two_pictures_share_is_not_guessed(tmp_path) -> None:
    write(tmp_path / '1.png', [[0]])
    with pytest.raises(MaskError, match=r'holds no mask of any of the 2 pictures'):
        find_masks(str(tmp_path), {'good/1.jpg': (), 'bad/1.jpg': ()})


def test_masks_with_255_around_the_object_are_told(tmp_path) -> None:
    def masks(*shares) -> list:
        paths = [
            write(tmp_path / f'{i}.png', [[255] * n + [0] * (10 - n)])
            for i, n in enumerate(shares)
        ]
        return [look_at(dict(seg_map_path=path)) for path in paths]

    assert perhaps_inverted(masks(2, 3, 8, 0)) is None
    told = perhaps_inverted(masks(8, 9, 3, 0, 0)) or ''
    assert 'in 2 of 3 masks' in told and '--map 0=255 255=0' in told
    assert perhaps_inverted(masks(0, 0)) is None


def test_binary_masks(tmp_path) -> None:
    one = write(tmp_path / '1.png', [[0, 255]])
    none = write(tmp_path / '2.png', [[0, 0]])
    ids = write(tmp_path / '3.png', [[0, 1, 255]])
    colours = tmp_path / '4.png'
    Image.new('RGB', (2, 1), 'red').save(colours)
    first, second, third, fourth = (
        look_at(dict(seg_map_path=str(path))) for path in (one, none, ids, colours)
    )
    assert are_binary([first, second])
    for masks in ([second], [first, third], [first, fourth], []):
        assert not are_binary(masks)
    np.testing.assert_array_equal(object_ids(one, (2,)), [[0, 2]])
    np.testing.assert_array_equal(object_ids(none, ()), [[0, 0]])
    for wrong, classes in ((one, (1, 2)), (one, ()), (ids, (1,))):
        with pytest.raises(MaskError):
            object_ids(wrong, classes)
