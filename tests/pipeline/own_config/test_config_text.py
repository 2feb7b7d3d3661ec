# Licensed under Apache-2.0.
"""The text of a config from facts, for every method."""

from __future__ import annotations

import pytest
from mmengine.config import Config

from mmwsss.io.errors import UserError
from mmwsss.pipeline.own_config.config_text import Choice, FolderFacts, config_text
from mmwsss.pipeline.own_config.pipeline_text import pipeline_text
from mmwsss.pipeline.own_config.templates import (
    base_name,
    find_template,
    find_templates,
)
from mmwsss.testing import source_folder

CONFIGS = source_folder() / 'configs'
PHOTOS = FolderFacts(
    root='data/mine',
    classes=('background', 'cat', 'dog'),
    palette=[(0, 0, 0), (242, 60, 36), (40, 160, 230)],
    counts=dict(train=80, val=20),
    scored=('val',),
    size=(375, 500),
)
TILES = FolderFacts(
    **{
        **vars(PHOTOS), 'scored': (), 'counts': dict(train=80), 'size': (64, 64),
        'picture': dict(value_range=((0, 900),) * 5, bands=(0, 1, 2, 3, 4)),
        'mean': (90.0,) * 5, 'std': (40.0,) * 5,
    }
)  # fmt: skip
METHODS = [
    (method, backbone)
    for method, own in find_templates(CONFIGS).items()
    for backbone in own
]


def write(tmp_path, facts, method, backbone, iterations=100, **choice) -> Config:
    """The config as mmengine reads it; ``text`` is what was written."""
    template, replaced = find_template(CONFIGS, method, backbone)
    base = Config.fromfile(template).to_dict()
    file = tmp_path / 'own.py'
    name = base_name(template, CONFIGS, file)
    batch = base['train_dataloader']['batch_size']
    file.write_text(config_text(facts, Choice(name, iterations, batch, **choice), base))
    return Config.fromfile(file)


def begins(value) -> list[int]:
    if isinstance(value, dict):
        return [i for item in value.values() for i in begins(item)]
    if (
        isinstance(value, (list, tuple))
        and value
        and isinstance(value[0], (list, tuple))
    ):
        return [step[0] for step in value]
    return []


def test_every_method_is_there() -> None:
    assert {'toco', 'fsr', 'afa', 'cam', 'pseudo'} <= {method for method, _ in METHODS}


@pytest.mark.parametrize('facts', [PHOTOS, TILES], ids=['photos', 'tiles'])
@pytest.mark.parametrize('method,backbone', METHODS)
def test_nothing_is_left_to_edit(tmp_path, method, backbone, facts) -> None:
    cfg = write(tmp_path, facts, method, backbone)
    head = cfg.model if 'num_classes' in cfg.model else cfg.model.decode_head
    assert head.num_classes == 3
    train = cfg.train_dataloader.dataset
    assert train.split_file == 'splits/train.txt' and train.data_root == 'data/mine'
    assert train.ann_file == 'labels.csv'
    assert tuple(train.metainfo.classes) == PHOTOS.classes
    assert cfg.train_cfg.max_iters == 100
    assert cfg.param_scheduler[0].warmup_iters < 100
    found = begins(cfg.model.get('train_cfg', {}))
    found += begins(cfg.model.get('train_cfg', {}).get('weights', {}))
    assert all(begin < 100 for begin in found)
    if facts.scored:
        assert cfg.val_dataloader.dataset.split_file == 'splits/val.txt'
        assert cfg.train_cfg.val_interval == 100
    else:
        assert cfg.val_dataloader is None and cfg.val_evaluator is None
        assert cfg.test_dataloader.dataset.split_file == 'splits/train.txt'


def test_several_bands(tmp_path) -> None:
    cfg = write(tmp_path, TILES, 'toco', 'deit-t')
    assert cfg.model.backbone.in_channels == 5
    assert cfg.model.data_preprocessor.mean == [90.0] * 5
    assert cfg.train_dataloader.dataset.picture == TILES.picture
    views = next(s for s in cfg.train_pipeline if s['type'] == 'ToCoViews')
    assert views['crop_size'] == 96 and views['view1']['jitter'] == (0.4, 0.4, 0, 0)
    assert cfg.model.test_cfg.input.long_side == 96


def test_large_pictures_are_resized_in_training_and_test(tmp_path) -> None:
    facts = FolderFacts(**{**vars(PHOTOS), 'size': (3000, 4000)})
    cfg = write(tmp_path, facts, 'toco', 'deit-t')
    assert cfg.train_pipeline[1]['side_range'] == (320, 320)
    assert cfg.model.test_cfg.input.long_side == 320
    other = write(tmp_path, facts, 'pseudo', 'deit-t', pseudo_masks='m')
    steps = [step['type'] for step in other.test_dataloader.dataset.pipeline]
    assert steps[:3] == ['LoadPicture', 'PILResizeLongSide', 'LoadMask']
    assert other.train_dataloader.dataset.side_inputs.mask.dir == 'm'


def test_a_usual_folder_makes_a_short_config(tmp_path) -> None:
    write(tmp_path, PHOTOS, 'toco', 'deit-t', 2000)
    text = (tmp_path / 'own.py').read_text()
    assert len(text.splitlines()) <= 30
    assert 'train_pipeline' not in text and 'param_scheduler' not in text


def test_three_splits(tmp_path) -> None:
    facts = FolderFacts(
        **{
            **vars(PHOTOS),
            'scored': ('val', 'test'),
            'counts': dict(train=8, val=2, test=2),
        }
    )
    cfg = write(tmp_path, facts, 'toco', 'deit-t')
    assert cfg.test_dataloader.dataset.split_file == 'splits/test.txt'


def test_templates() -> None:
    same, replaced = find_template(CONFIGS, 'toco', 'deit-t')
    assert same.name == 'toco_deit-t_folder.py' and not replaced
    assert find_template(CONFIGS, 'toco', 'deit-s')[0] == same
    large, replaced = find_template(CONFIGS, 'toco', 'deit-b')
    assert large.name == 'toco_vit-b_folder.py' and replaced
    with pytest.raises(UserError, match=r"--method 'x'.*'toco'"):
        find_template(CONFIGS, 'x', 'deit-t')
    with pytest.raises(UserError, match=r"--backbone 'deit-s'.*known are \['mit-b1'\]"):
        find_template(CONFIGS, 'afa', 'deit-s')


def test_a_pipeline(tmp_path) -> None:
    file = tmp_path / 'pipeline.py'
    file.write_text(pipeline_text(PHOTOS, 'a.py', 'b.py', '# Written'))
    stages = Config.fromfile(file).stages
    assert [stage.type for stage in stages] == ['train', 'generate', 'train', 'test']
    assert stages[1].config == 'a.py' and stages[2].config == 'b.py'
    file.write_text(pipeline_text(TILES, 'a.py', 'b.py'))
    assert [s.type for s in Config.fromfile(file).stages][-1] == 'train'
