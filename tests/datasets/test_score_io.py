# Licensed under Apache-2.0.
"""Files of score maps: what is read, and what is refused with which words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.io.data_errors import ScoreError
from mmwsss.io.score_files import (
    PICKLE_FIX,
    load_scores,
    save_scores,
    stored_header,
)

SIZE = (4, 6)


def maps(count: int = 3, dtype: type = np.float32) -> np.ndarray:
    scores = np.random.RandomState(0).rand(count, *SIZE) + 0.1
    return (scores / scores.sum(0)).astype(dtype)


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
def test_arrays(tmp_path, dtype) -> None:
    np.save(tmp_path / 'a.npy', maps(dtype=dtype))
    got = load_scores(tmp_path / 'a.npy', 'prob', SIZE)
    assert got.scores.dtype == np.float32 and got.ids.tolist() == [0, 1, 2]
    assert np.array_equal(got.scores, maps(dtype=dtype).astype(np.float32))
    assert load_scores(tmp_path / 'a.npy', 'cam', SIZE).ids.tolist() == [1, 2, 3]


def test_keys(tmp_path) -> None:
    np.savez(tmp_path / 'a.npz', scores=maps(), keys=[0, 15, 9])
    assert load_scores(tmp_path / 'a.npz', 'prob', SIZE).ids.tolist() == [0, 15, 9]
    np.savez(tmp_path / 'b.npz', scores=maps())
    assert load_scores(tmp_path / 'b.npz', 'cam', SIZE).ids.tolist() == [1, 2, 3]


def test_labels(tmp_path) -> None:
    label = np.random.RandomState(0).choice([0, 5, 7], SIZE).astype(np.uint8)
    Image.fromarray(label).save(tmp_path / 'a.png')
    got = load_scores(tmp_path / 'a.png', 'label', SIZE)
    assert got.ids.tolist() == [0, 5, 7]
    assert np.array_equal(got.ids[got.scores.argmax(0)], label)
    whole = load_scores(tmp_path / 'a.png', 'label', SIZE, num_classes=8)
    assert whole.ids.tolist() == list(range(8))
    assert np.array_equal(whole.scores.argmax(0), label)
    with pytest.raises(ScoreError, match='holds the label 7; labels are 0..6'):
        load_scores(tmp_path / 'a.png', 'label', SIZE, num_classes=7)


def test_ignored_pixels_are_refused(tmp_path) -> None:
    Image.fromarray(np.full(SIZE, 255, np.uint8)).save(tmp_path / 'a.png')
    with pytest.raises(ScoreError, match=r'a\.png holds the label 255.*every pixel'):
        load_scores(tmp_path / 'a.png', 'label', SIZE)


def test_a_colour_picture_is_no_label(tmp_path) -> None:
    Image.new('RGB', SIZE[::-1]).save(tmp_path / 'a.png')
    with pytest.raises(ScoreError, match='is no label map'):
        load_scores(tmp_path / 'a.png', 'label', SIZE)


NAN = maps()
NAN[0, 0, 0] = np.nan


@pytest.mark.parametrize(
    'scores,kind,message',
    [
        (NAN, 'prob', 'holds NaN'),
        (maps() * 9 - 2, 'prob', 'not in .0, 1.. Fix: take the softmax'),
        (maps() * 9, 'cam', 'not in .0, 1.. Fix: normalise'),
        (maps()[0], 'prob', r'holds \(4, 6\) float32'),
        ((maps() * 255).astype(np.uint8), 'prob', 'uint8. Fix: write floating'),
        (maps()[:, :2], 'prob', r'maps of \(2, 6\), its image has \(4, 6\)'),
    ],
)
def test_wrong_values(tmp_path, scores, kind, message) -> None:
    np.save(tmp_path / 'a.npy', scores)
    with pytest.raises(ScoreError, match=rf'a\.npy .*{message}'):
        load_scores(tmp_path / 'a.npy', kind, SIZE)


@pytest.mark.parametrize(
    'keys,kind',
    [
        ([0, 1], 'prob'),
        ([1, 1, 2], 'prob'),
        ([0, 1, 2], 'cam'),
        ([1, 2, 255], 'cam'),
        ([0.0, 1.0, 2.0], 'prob'),
    ],
)
def test_wrong_keys(tmp_path, keys, kind) -> None:
    np.savez(tmp_path / 'a.npz', scores=maps(), keys=keys)
    with pytest.raises(ScoreError, match=r'a\.npz has keys'):
        load_scores(tmp_path / 'a.npz', kind, SIZE)


def test_other_names_in_an_archive(tmp_path) -> None:
    np.savez(tmp_path / 'a.npz', high_res=maps())
    with pytest.raises(ScoreError, match="holds .'high_res'.*'scores'"):
        load_scores(tmp_path / 'a.npz', 'prob', SIZE)


@pytest.mark.parametrize('suffix', ['npy', 'npz'])
def test_broken_files(tmp_path, suffix) -> None:
    save = np.save if suffix == 'npy' else np.savez
    path = tmp_path / f'a.{suffix}'
    save(path, **{'arr' if suffix == 'npy' else 'scores': maps()})
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(ScoreError, match='cannot be read'):
        load_scores(path, 'prob', SIZE)
    with pytest.raises(ScoreError, match='cannot be read'):
        load_scores(tmp_path / 'none.npy', 'prob', SIZE)


@pytest.mark.parametrize(
    'content',
    [{'keys': np.array([4, 14]), 'high_res': maps(2)}, {4: maps(2)[0], 14: maps(2)[1]}],
    ids=['IRN', 'PSA'],
)
def test_pickles_are_refused_and_can_be_converted(tmp_path, content) -> None:
    """The command of the message works."""
    np.save(tmp_path / 'a.npy', content, allow_pickle=True)
    with pytest.raises(ScoreError, match='is a pickle, which could run any code'):
        load_scores(tmp_path / 'a.npy', 'cam', SIZE)
    names = dict(np=np, FILE=tmp_path / 'a.npy', OUT=tmp_path / 'a.npz')
    commands = PICKLE_FIX.split(': ', 1)[1]
    load, rest = commands.split('; for IRN (keys, high_res) ')
    irn, psa = rest.split(', for PSA (class: map) ')
    exec(load, names)
    exec(irn if 'high_res' in content else psa, names)
    got = load_scores(tmp_path / 'a.npz', 'cam', SIZE)
    assert got.ids.tolist() == [5, 15]
    assert np.array_equal(got.scores, maps(2))


@pytest.mark.parametrize('dtype,error', [('float16', 2.5e-4), ('uint8', 0.5 / 255)])
def test_compact_files(tmp_path, dtype, error) -> None:
    scores = np.random.RandomState(0).rand(2, 3, 4).astype(np.float32)
    count = save_scores(tmp_path / 'sub' / 'a.npz', scores, [3, 20], (9, 15), dtype)
    path = tmp_path / 'sub' / 'a.npz'
    assert count == path.stat().st_size and len(list(path.parent.iterdir())) == 1
    stored = load_scores(path, 'cam', None)
    assert stored.size == (9, 15) and stored.ids.tolist() == [3, 20]
    assert np.abs(stored.scores - scores).max() <= error * (1 + 1e-5)
    got = load_scores(path, 'cam', (9, 15))
    want = torch.nn.functional.interpolate(
        torch.from_numpy(stored.scores)[None], (9, 15), mode='bilinear'
    )[0]
    assert np.array_equal(got.scores, want.numpy())
    with pytest.raises(ScoreError, match=r'maps of \(9, 15\), its image has \(9, 16\)'):
        load_scores(path, 'cam', (9, 16))


def test_one_file_has_one_content(tmp_path) -> None:
    for name in 'ab':
        save_scores(tmp_path / f'{name}.npz', maps(), [1, 2, 3], SIZE)
    assert (tmp_path / 'a.npz').read_bytes() == (tmp_path / 'b.npz').read_bytes()


def test_bad_compact_files(tmp_path) -> None:
    with pytest.raises(ValueError, match=r'3, 4, 6\) maps of 2 classes'):
        save_scores(tmp_path / 'a.npz', maps(), [1, 2], SIZE)
    with pytest.raises(ValueError, match="one of.*'uint8'"):
        save_scores(tmp_path / 'a.npz', maps(), [1, 2, 3], SIZE, 'int8')
    np.savez(tmp_path / 'a.npz', scores=maps(), size=[4])
    with pytest.raises(ScoreError, match='give height and width'):
        load_scores(tmp_path / 'a.npz', 'cam', SIZE)


@pytest.mark.parametrize('size', [4, 4.5, [4.5, 6], [4, np.nan], ['4', '6'], [0, 6]])
def test_a_size_that_is_none_names_the_file(tmp_path, size) -> None:
    """A bare number too, which can't be unpacked."""
    path = tmp_path / 'a.npz'
    np.savez(path, scores=maps(), size=size, keys=[1, 2, 3])
    for read in (lambda: load_scores(path, 'cam', None), lambda: stored_header(path)):
        with pytest.raises(ScoreError, match=r'a\.npz has the size .*give height and'):
            read()
