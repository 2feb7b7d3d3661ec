# Licensed under Apache-2.0.
"""Which photos the demo takes, and in which order it wants its files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmwsss.apis import init_model, predict_image
from mmwsss.datasets.shapes.scenes import draw_scene
from mmwsss.io.errors import UserError
from mmwsss.visualization.overlays import resize_picture
from tests.helpers import ROOT
from tests.helpers.drawn_shapes import CHECKPOINT, CONFIG


@pytest.fixture
def demo(load_tool):
    return load_tool(ROOT / 'demo/image_demo.py')


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / 'photos'
    for i, name in enumerate(('a.jpg', 'b.png', 'below/c.png')):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_scene(0, i).image).save(root / name)
    (root / 'broken.jpg').write_bytes(b'\xff\xd8')
    return root


def test_goes_on_after_a_broken_photo(demo, photos, tmp_path, capsys) -> None:
    """Masks by themselves, the rest in folders; count and code at the end."""
    out = tmp_path / 'out'
    options = ['--out-dir', str(out), '--recursive', '--confidence', '--scores']
    assert demo.main([str(photos), 'toco_vit-t_shapes', *options]) == 1
    said = ''.join(capsys.readouterr())
    assert f'3 of 4 photos predicted in {out}' in said
    assert f'{photos}/broken.jpg cannot be read' in said
    files = {str(p.relative_to(out)) for p in out.rglob('[!.]*') if p.is_file()}
    masks = {'a.png', 'b.png', 'below/c.png'}
    others = {f'{kind}/{m}' for kind in ('panels', 'confidence') for m in masks}
    assert files == masks | others | {'scores.csv'}


def test_config_checkpoint_and_no_panels(demo, photos, tmp_path) -> None:
    (photos / 'broken.jpg').unlink()
    out = tmp_path / 'out'
    options = ['--out-dir', str(out), '--no-panels', '--prob', '--batch-size', '2']
    views = ['--test-cfg', 'seg.scales=[1.0,1.5]', 'seg.mirror=True']
    assert demo.main([str(photos), CONFIG, CHECKPOINT, *options, *views]) == 0
    assert sorted(p.name for p in out.glob('[!.]*')) == ['a.png', 'b.png', 'prob']
    settings = dict(seg=dict(scales=(1.0, 1.5), mirror=True), outputs=('seg',))
    model = init_model(CONFIG, CHECKPOINT)
    want = predict_image(model, photos / 'b.png', **settings).pred_sem_seg.data[0]
    assert (np.asarray(Image.open(out / 'b.png')) == want.numpy()).mean() > 0.999


def test_a_photo_is_no_video(demo, photos, tmp_path) -> None:
    arguments = [str(photos / 'a.jpg'), 'toco_vit-t_shapes', '--overlay-video']
    with pytest.raises(UserError, match='is no video'):
        demo.main([*arguments, '--out-dir', str(tmp_path / 'out')])


def test_photos_without_a_place(demo, photos, tmp_path) -> None:
    arguments = [str(photos / 'a.jpg'), 'toco_vit-t_shapes', '--geotiff']
    with pytest.raises(UserError, match='no georeference'):
        demo.main([*arguments, '--out-dir', str(tmp_path / 'out')])
    assert not (tmp_path / 'out').exists()


def test_config_and_checkpoint_in_the_wrong_order(demo, tmp_path) -> None:
    Image.new('RGB', (8, 6)).save(tmp_path / 'a.jpg')
    (tmp_path / 'iter_1.pth').write_bytes(b'PK')
    arguments = [tmp_path / 'a.jpg', tmp_path / 'iter_1.pth', 'config.py']
    with pytest.raises(UserError, match='iter_1.pth is no config by its suffix'):
        demo.main([*map(str, arguments), '--out-dir', str(tmp_path / 'out')])


@pytest.mark.parametrize('size', [(0, 300), (4, 0)])
def test_a_line_of_pixels_stays_one_on_panels(size) -> None:
    line = np.zeros((1, 5000, 3), np.uint8)
    assert resize_picture(line, size).shape == (max(1, size[0]), max(1, size[1]), 3)
