# Licensed under Apache-2.0.
"""Tools to look at a network: a trained one on drawn pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.io.errors import UserError
from mmwsss.io.output_folder import OutputError
from mmwsss.pipeline.inference import init_model
from mmwsss.testing import build
from tests.helpers import ROOT
from tests.helpers.drawn_shapes import CHECKPOINT, CONFIG, draw_shapes, shapes_options

TOOLS = ROOT / 'tools' / 'analysis_tools'


@pytest.fixture(scope='module')
def shapes(tmp_path_factory) -> Path:
    return draw_shapes(tmp_path_factory.mktemp('shapes'), train=2, val=2, test=3)


@pytest.fixture
def config(shapes, tmp_path) -> str:
    """The network's config on the drawn pictures."""
    path = tmp_path / 'drawn.py'
    data = f'dataset=dict(data_root={str(shapes)!r})'
    lines = [f'_base_ = [{str(ROOT / CONFIG)!r}]']
    lines += [f'{split}_dataloader = dict({data})' for split in ('val', 'test')]
    path.write_text('\n'.join(lines) + '\n')
    return str(path)


@pytest.fixture
def photos(shapes, tmp_path) -> Path:
    """Two of the pictures."""
    folder = tmp_path / 'photos'
    folder.mkdir()
    for path in sorted((shapes / 'JPEGImages').iterdir())[:2]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_calibration(load_tool, config, tmp_path, capsys):
    out = tmp_path / 'out'
    tool = load_tool(TOOLS / 'calibration.py')
    found = tool.main([config, CHECKPOINT, '--out-dir', str(out), '--bins', '10'])
    assert json.loads((out / 'calibration.json').read_text()) == found
    pixels, images = found['pixels'], found['image labels']
    assert sum(pixels['count']) == 3 * 96 * 96 and sum(images['count']) == 3 * 6
    # the figure is that of its own bins
    total, parts = (
        0.0,
        zip(
            *(pixels[key] for key in ('count', 'bin_confidence', 'bin_accuracy')),
            strict=True,
        ),
    )
    for count, confidence, accuracy in parts:
        total += count * abs((confidence or 0) - (accuracy or 0))
    assert pixels['ece'] == pytest.approx(total / (3 * 96 * 96), abs=1e-4)
    assert pixels['accuracy'] > 0.6  # a trained network: labels and truth go together
    assert (
        f'| pixels | {100 * pixels["mean_confidence"]:.2f} |' in capsys.readouterr().out
    )
    with Image.open(out / 'calibration.png') as picture:
        assert np.asarray(picture.convert('L')).std() > 10  # something is drawn


def test_calibration_without_test_data(load_tool, config, tmp_path):
    tool = load_tool(TOOLS / 'calibration.py')
    options = ('test_dataloader=None', 'test_evaluator=None', 'test_cfg=None')
    with pytest.raises(UserError, match='has no test_dataloader'):
        tool.main([config, CHECKPOINT, '--cfg-options', *options])


def test_a_refined_segmenter_of_mmseg_is_not_measured(load_tool, shapes, tmp_path):
    """Its logits are those before the refinement."""
    base = ROOT / 'configs/toco/sup_vit-t_shapes.py'
    weights = tmp_path / 'sup.pth'
    torch.save(dict(state_dict=build(base).state_dict()), weights)
    tool = load_tool(TOOLS / 'calibration.py')
    arguments = [str(base), str(weights), *shapes_options(shapes)]
    assert set(tool.main(arguments)) >= {'pixels'}
    with pytest.raises(UserError, match='gives no probability of the class'):
        tool.main([*arguments, '--post-processor', 'crf'])


def test_similarity_and_entropy_by_block(load_tool, config, tmp_path, capsys):
    same, values = ['pretrained', CHECKPOINT], {}
    for script in ('token_similarity.py', 'attention_entropy.py'):
        name = Path(script).stem
        out, picture = tmp_path / f'{name}.json', tmp_path / f'{name}.png'
        arguments = [config, *same, '--photos', '2', '--out', out, '--picture', picture]
        values[name] = load_tool(TOOLS / script).main([*map(str, arguments)])
        assert json.loads(out.read_text()) == values[name]
        assert Image.open(picture).size == (640, 360)
    said = ''.join(capsys.readouterr())
    assert 'attention entropy in block | 1 | 2' in said
    assert 'init_weights' not in said  # no line for each parameter
    for name in same:
        assert all(-1 <= v <= 1 for v in values['token_similarity'][name])
        heads = np.array(values['attention_entropy'][name])
        assert heads.shape == (6, 4) and (heads > 0).all() and (heads < 1).all()
    trained, start = (np.array(values['attention_entropy'][n]) for n in same[::-1])
    assert not np.allclose(trained, start)


def test_files_that_are_not_ours_are_kept(load_tool, config, tmp_path):
    there = tmp_path / 'mine.png'
    there.write_bytes(b'mine')
    tool = load_tool(TOOLS / 'attention_entropy.py')
    with pytest.raises(OutputError, match='was not made by this tool'):
        tool.main([config, CHECKPOINT, '--picture', str(there)])
    assert there.read_bytes() == b'mine'


def test_class_token_attention(load_tool, photos, tmp_path):
    tool, out = load_tool(TOOLS / 'class_token_attention.py'), tmp_path / 'out'
    arguments = [str(photos), CONFIG, CHECKPOINT, '--out-dir', str(out)]
    tool.main([*arguments, '--blocks', '1', '6'])
    names = {path.name for path in out.glob('*.png')}
    assert names == {f'{path.stem}.png' for path in photos.iterdir()}
    with pytest.raises(
        UserError, match='--blocks 7: this network has the blocks 1 to 6'
    ):
        tool.main([*arguments, '--blocks', '7'])


def test_class_token_attention_needs_a_class_token(
    load_tool, photos, tmp_path, monkeypatch
):
    tool = load_tool(TOOLS / 'class_token_attention.py')
    load = tool.load_vit

    def without(config, checkpoint):
        model = load(config, checkpoint)
        model.backbone.cls_token = None
        return model

    monkeypatch.setattr(tool, 'load_vit', without)
    with pytest.raises(UserError, match='has no class token to look from'):
        tool.main([str(photos), CONFIG, CHECKPOINT, '--out-dir', str(tmp_path / 'out')])


def test_cams_of_two_checkpoints(load_tool, photos, tmp_path):
    """Two networks, one picture each; a broken photo is left out and named."""
    saved = torch.load(ROOT / CHECKPOINT, weights_only=True)
    for key in saved['state_dict']:
        if key.startswith('decode_head'):
            saved['state_dict'][key] = torch.zeros_like(saved['state_dict'][key])
    other = tmp_path / 'other.pth'
    torch.save(saved, other)
    (photos / 'broken.jpg').write_bytes(b'\xff\xd8\xff\xe0 cut off')
    tool, out = load_tool(TOOLS / 'compare_cams.py'), tmp_path / 'out'
    with pytest.raises(SystemExit) as end:
        tool.main([str(photos), CONFIG, CHECKPOINT, str(other), '--out-dir', str(out)])
    assert end.value.code == 1
    names = {path.stem for path in photos.iterdir()} - {'broken'}
    assert {path.stem for path in out.glob('*.png')} == names
    pixels = np.asarray(Image.open(next(photos.glob('[!b]*.jpg'))))
    rows = [
        {
            one.title.partition(':')[0]: one.picture
            for one in tool.row(model, 'x', pixels)
        }
        for model in (init_model(CONFIG, str(file)) for file in (CHECKPOINT, other))
    ]
    assert rows[0].keys() == rows[1].keys() >= {'x', 'CAM', 'prediction'}
    same = {key for key in rows[0] if np.array_equal(rows[0][key], rows[1][key])}
    assert {'x', 'CAM'} <= same and 'prediction' not in same


def test_the_same_output_stands_in_one_column(load_tool):
    tool = load_tool(TOOLS / 'compare_cams.py')
    photo = np.zeros((4, 6, 3), np.uint8)
    tiles = {name: tool.Tile(name, photo) for name in ('A', 'B', *tool.TITLES.values())}
    few = [tiles[name] for name in ('A', 'CAM', 'pseudo label')]
    many = [tiles[name] for name in ('B', 'CAM', 'auxiliary CAM', 'pseudo label')]
    first, second = tool.aligned([few, many])
    assert [tile.title for tile in first] == ['A', 'CAM', '', 'pseudo label']
    assert [tile.title for tile in second] == [tile.title for tile in many]
    assert (first[2].picture == 255).all()


def test_networks_of_other_classes_are_not_compared(load_tool, photos, tmp_path):
    saved = torch.load(ROOT / CHECKPOINT, weights_only=True)
    classes = list(saved['meta']['dataset_meta']['classes'])
    saved['meta']['dataset_meta']['classes'] = [classes[0], *classes[:0:-1]]
    other = tmp_path / 'other.pth'
    torch.save(saved, other)
    tool = load_tool(TOOLS / 'compare_cams.py')
    with pytest.raises(UserError, match='was trained with the classes'):
        tool.main([str(photos), CONFIG, CHECKPOINT, str(other)])
