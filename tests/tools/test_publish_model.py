# Licensed under Apache-2.0.
"""Publishing: from what training wrote to an entry of the zoo."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmwsss.io.errors import UserError
from mmwsss.io.initial_weights import backbones
from mmwsss.io.metafiles import models, published
from mmwsss.pipeline.publish import (
    check_same_settings,
    config_as_written,
    origin_of,
    training_figures,
)
from mmwsss.testing import build
from tests.helpers import ROOT

TOCO = ROOT / 'configs/toco/toco_vit-t_shapes.py'
SCORES = dict(seg_mIoU=12.34, cls_mAP=56.78)


@pytest.fixture(scope='module')
def trained(tmp_path_factory) -> Path:
    """What a training of ToCo on Shapes leaves, with random weights."""
    state = build('configs/toco/toco_vit-t_shapes.py').state_dict()
    log = dict(history_buffer_v1=True, max_length=9, log=torch.tensor([9.0, 2.0, 4.0]))
    log['count'] = torch.ones(3)
    meta = dict(
        iter=600,
        cfg=config_as_written(TOCO).pretty_text,
        dataset_meta=dict(classes=('background', 'stripes')),
    )
    scalars = {'train/loss': log, 'train/label_fg': log, 'val/seg_mIoU': log}
    saved = dict(meta=meta, state_dict=state, message_hub=dict(log_scalars=scalars))
    path = tmp_path_factory.mktemp('run') / 'iter_600.pth'
    torch.save(saved | dict(optimizer=dict(state={})), path)
    return path


@pytest.fixture
def clone(tmp_path, load_tool, monkeypatch):
    """The tool in a clone of its own, where a test gives SCORES."""
    for name in ('configs', 'tools', 'zoo', 'docs'):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ('README.md', 'model-index.yml'):
        shutil.copy(ROOT / name, tmp_path)
    tool = load_tool(tmp_path / 'tools/misc/publish_model.py')
    assert tmp_path == tool.ROOT
    monkeypatch.setattr(tool, 'measure', lambda config, file, options: SCORES)
    return tool


def test_published(clone, trained) -> None:
    root = clone.ROOT
    config = root / 'configs/toco/toco_vit-t_shapes.py'
    (before,) = root.glob('zoo/toco_vit-t_shapes-*.pth')
    clone.main([str(config), str(trained)])
    (path,) = root.glob('zoo/toco_vit-t_shapes-*.pth')  # the older one has gone
    assert path.name != before.name
    entry = published(root)['toco_vit-t_shapes']
    content = path.read_bytes()
    assert entry['Weights'] == f'zoo/{path.name}'
    digest = hashlib.sha256(content).hexdigest()
    known = entry['Metadata']
    assert known['SHA256'] == digest and path.stem.endswith(f'-{digest[:8]}')
    assert known['Left Out'] == 'proj_head, proj_head_ema'
    assert known['Classes'] == ['background', 'stripes']
    assert known['Training Log'] == dict(loss=5.0, label_fg=5.0)
    assert known['Licence'] == 'Apache-2.0' and 'none released' not in str(known)
    assert entry['Results'][0]['Metrics'] == SCORES
    assert set(models(root)) == set(models(ROOT))  # and no other entry has changed
    assert '| seg_mIoU 12.34 |' in (root / 'docs/en/model_zoo.md').read_text()
    assert digest in (root / 'zoo/README.md').read_text()


def test_file_alone(clone, trained, tmp_path) -> None:
    there = {p: p.read_bytes() for p in (clone.ROOT / 'zoo').iterdir()}
    out = ['--out', str(tmp_path / 'a/mine.pth'), '--drop', 'proj_head_ema']
    clone.main([str(TOCO), str(trained), *out])
    (path,) = (tmp_path / 'a').iterdir()
    saved = torch.load(path, weights_only=True)
    assert path.name.startswith('mine-') and 'optimizer' not in saved
    assert saved['meta']['published'] == dict(dropped=['proj_head_ema'])
    assert saved['meta']['training_log']['loss'] == 5
    assert Config.fromstring(saved['meta']['config'], '.py').model.type == 'ToCo'
    assert 'proj_head.last_layer.weight_v' in saved['state_dict']
    assert there == {p: p.read_bytes() for p in (clone.ROOT / 'zoo').iterdir()}


def test_what_cannot_be_tested_is_not_published(clone, trained, monkeypatch) -> None:
    def fail(*_) -> None:
        raise UserError('no data')

    monkeypatch.setattr(clone, 'measure', fail)
    places = [clone.ROOT / name for name in ('configs', 'zoo', 'docs')]
    there = {p: p.read_bytes() for f in places for p in f.rglob('*.[pmy]*')}
    config = str(clone.ROOT / 'configs/toco/toco_vit-t_shapes.py')
    with pytest.raises(UserError, match='no data'):
        clone.main([config, str(trained)])
    assert there == {p: p.read_bytes() for f in places for p in f.rglob('*.[pmy]*')}


def test_too_large(clone, trained, monkeypatch) -> None:
    monkeypatch.setattr(clone, 'LIMIT', 1)
    with pytest.raises(UserError, match=r'2\.3 MB are more than the 1 MB'):
        clone.main([str(TOCO), str(trained), '--drop'])


def test_a_config_without_entry(clone, trained, tmp_path) -> None:
    config = tmp_path / 'mine.py'
    config.write_text(config_as_written(TOCO).pretty_text)
    with pytest.raises(UserError, match="metafile.yml has no entry 'mine': add one"):
        clone.main([str(config), str(trained)])


def test_other_settings_are_refused() -> None:
    cfg, ran = config_as_written(TOCO), config_as_written(TOCO)
    ran.model.backbone.pretrained = None  # a resumed run
    ran.model.checkpoint = 'of/an/earlier/stage.pth'
    ran.train_dataloader.dataset.data_root = '/elsewhere'
    ran.optim_wrapper.type = 'AmpOptimWrapper'
    ran.model.cam_head.in_channels = 96  # the config leaves it to the backbone
    checkpoint = dict(meta=dict(cfg=ran.pretty_text))
    check_same_settings(cfg, checkpoint, 'a.pth')
    check_same_settings(cfg, {}, 'bare.pth')
    ran.train_cfg.max_iters = 20
    ran.model.train_cfg.ema_momentum = 0.5
    checkpoint = dict(meta=dict(cfg=ran.pretty_text))
    with pytest.raises(UserError, match=r'a\.pth was .*ema_momentum.*600 → 20'):
        check_same_settings(cfg, checkpoint, 'a.pth')


def test_other_widths_are_refused() -> None:
    cfg, ran = config_as_written(TOCO), config_as_written(TOCO)
    cfg.model.cam_head.in_channels, ran.model.cam_head.in_channels = 96, 192
    checkpoint = dict(meta=dict(cfg=ran.pretty_text))
    with pytest.raises(UserError, match=r'cam_head\.in_channels: 96 → 192'):
        check_same_settings(cfg, checkpoint, 'a.pth')


def test_config_names_no_folder_of_this_machine(monkeypatch) -> None:
    monkeypatch.setenv('MMWSSS_VOC_ANIMALS', '/elsewhere/animals')
    cfg = config_as_written(ROOT / 'configs/toco/toco_deit-t_animals.py')
    assert 'elsewhere' not in cfg.pretty_text
    assert os.environ['MMWSSS_VOC_ANIMALS'] == '/elsewhere/animals'


@pytest.mark.parametrize(
    ('pretrained', 'origin'),
    [
        (
            'https://dl.fbaipublicfiles.com/deit/deit_tiny_patch16_224-a1311bcf.pth',
            'DeiT-Ti/16, ImageNet-1k, Apache-2.0 (Touvron et al., ICML 2021)',
        ),
        ('demo/weights/vit-t_shapes.pth', "mmwsss's own"),
        (None, 'none'),
    ],
)
def test_origin(pretrained: str | None, origin: str) -> None:
    cfg = Config(dict(model=dict(backbone=dict(pretrained=pretrained))))
    assert origin_of(cfg, backbones(ROOT)).startswith(origin)


@pytest.mark.parametrize('source', ['open-mmlab://resnet', 'torchvision://resnet50'])
def test_unknown_licence(source: str) -> None:
    """Of weights that nobody knows, and of known ones without a licence."""
    init = dict(type='Pretrained', checkpoint=source)
    cfg = Config(dict(model=dict(backbone=dict(init_cfg=init))))
    with pytest.raises(UserError, match=f'licence .* {source} .*--origin'):
        origin_of(cfg, backbones(ROOT))


def test_no_log() -> None:
    assert training_figures({}) == {}
