# Licensed under Apache-2.0.
"""What may be given to be predicted, and what its outputs are called."""

from __future__ import annotations

import functools
import http.server
import threading

import cv2
import numpy as np
import pytest
from PIL import Image

from mmwsss.io.data_errors import DataError
from mmwsss.io.errors import UserError
from mmwsss.pipeline.predict.given_pictures import (
    each_picture,
    names_given,
    pictures_given,
)
from mmwsss.pipeline.predict.given_video import GivenVideo
from mmwsss.pipeline.predict.size_batches import batches_by_size


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / 'photos'
    for name in ('b.jpg', 'a.PNG', 'below/c.jpg', 'below/out/d.png', '__MACOSX/e.jpg'):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (8, 6), (200, 10, 10)).save(root / name)
    (root / 'notes.txt').write_text('x')
    return root


def video(path, count=5, size=(64, 48)):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 5, size)
    for i in range(count):
        frame = np.zeros((size[1], size[0], 3), np.uint8)
        frame[..., 2] = 40 * i  # red
        writer.write(frame)
    writer.release()
    return path


def names(given):
    return [name for name, _ in names_given(given)]


def test_folders_and_patterns(photos, capsys) -> None:
    assert names(pictures_given(photos)) == ['a', 'b']
    assert 'left out: below; recursive=True, or --rec' in ''.join(capsys.readouterr())
    walked = pictures_given(photos, recursive=True, apart_from=photos / 'below/out')
    assert names(walked) == ['a', 'b', 'below/c']
    found = pictures_given(f'{photos}/**/*.*')
    assert set(names(found)) == {'a', 'b', 'below/c', 'below/out/d'}
    assert names(pictures_given(f'{photos}/below/*')) == ['c']
    with pytest.raises(FileNotFoundError, match='no picture or video fits'):
        pictures_given(f'{photos}/*.txt')


def test_names_with_letters_of_patterns_are_files(photos) -> None:
    Image.new('RGB', (8, 6)).save(photos / 'a[1].png')
    assert names(pictures_given(photos / 'a[1].png')) == ['a[1]']


def test_lists_of_all_kinds(photos) -> None:
    array = np.zeros((6, 8, 3), np.uint8)
    given = pictures_given([photos / 'b.jpg', array, str(photos / 'below')])
    assert names(given) == ['b', 'picture_000001', 'c']
    pixels = [one.pixels(None) for one in each_picture(given)]
    assert pixels[1] is array and pixels[0][0, 0, 0] > 150 > pixels[0][0, 0, 2]


def test_urls(photos) -> None:
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(photos)
    )
    handler.func.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f'http://127.0.0.1:{server.server_port}'
        (one,) = pictures_given(f'{root}/b.jpg?size=1')
        assert one.name == 'b' and one.pixels(None).shape == (6, 8, 3)
        (missing,) = pictures_given(f'{root}/missing.jpg')
        with pytest.raises(DataError, match='missing.jpg cannot be read'):
            missing.pixels(None)
        server.shutdown()


def test_frames_of_a_video(tmp_path) -> None:
    (given,) = pictures_given(video(tmp_path / 'clip.mp4'))
    assert isinstance(given, GivenVideo) and len(given) == 5 and given.fps == 5
    frames = list(each_picture([given]))
    assert [frame.name for frame in frames] == given.names()
    assert frames[3].name == 'clip/000003'
    red, _, blue = np.moveaxis(frames[4].pixels(None), 2, 0)
    assert red.mean() > 100 > blue.mean()  # RGB


def test_what_is_no_picture(tmp_path) -> None:
    (tmp_path / 'broken.mp4').write_bytes(b'x')
    with pytest.raises(DataError, match='cannot be read as a video'):
        pictures_given(tmp_path / 'broken.mp4')
    with pytest.raises(FileNotFoundError, match='neither a photo nor a folder'):
        pictures_given(tmp_path / 'missing.jpg')
    with pytest.raises(UserError, match='got int'):
        pictures_given([3])
    with pytest.raises(UserError, match='nothing was given'):
        pictures_given([])


def test_batches_of_one_size() -> None:
    sizes = [1, 2, 1, None, 1, 1, 2, 1, 3, 4, 5]
    things = list(enumerate(sizes))
    found = list(batches_by_size(things, lambda thing: thing[1], 2))
    assert sorted(thing for batch in found for thing in batch) == sorted(
        things, key=lambda thing: thing[0]
    )
    assert all(len({size for _, size in batch}) == 1 for batch in found)
    assert [batch for batch in found if batch[0][1] is None] == [[(3, None)]]
    ones = [number for batch in found for number, size in batch if size == 1]
    assert ones == sorted(ones) and max(map(len, found)) == 2


def test_few_wait_for_others_of_their_size() -> None:
    taken = []

    def stream():
        for i in range(100):
            taken.append(i)
            yield i

    first = next(iter(batches_by_size(stream(), lambda i: i, 2)))
    assert len(first) == 1 and len(taken) == 8
