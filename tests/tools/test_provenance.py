# Licensed under Apache-2.0.
"""What is trained and generated says where it comes from, and one command prints it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mmwsss.io.errors import UserError
from mmwsss.io.provenance import KEY
from mmwsss.io.published import published_checkpoint
from mmwsss.io.weight_files import file_hash
from mmwsss.pipeline.generate.generate_cfg import GenerateCfg
from mmwsss.pipeline.generate.generate_labels import RunOptions, generate_labels
from mmwsss.testing.tool_runs import build_runner
from tests.helpers import ROOT
from tests.helpers.generation import CONFIGS, config_of, draw_data

CONFIG = ROOT / CONFIGS['cam']


def run(work_dir: Path, data: Path, **options) -> Path:
    """Four steps on drawn pictures, a checkpoint after each; gives their folder."""
    runner = build_runner(
        CONFIG,
        work_dir,
        train_cfg__max_iters=4,
        train_dataloader__batch_size=2,
        train_dataloader__num_workers=0,
        train_dataloader__persistent_workers=False,
        train_dataloader__dataset__data_root=str(data),
        val_dataloader=None,
        val_evaluator=None,
        val_cfg=None,
        param_scheduler__0__warmup_iters=1,
        default_hooks__checkpoint__interval=1,
        default_hooks__checkpoint__max_keep_ckpts=-1,
        **options,
    )
    runner.train()
    return work_dir


def record(path: Path) -> dict:
    return torch.load(path, weights_only=True)['meta'][KEY]


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    return draw_data(tmp_path_factory.mktemp('drawn') / 'data')


@pytest.fixture(scope='module')
def trained(data, tmp_path_factory) -> Path:
    """The checkpoint after two of four steps."""
    return run(tmp_path_factory.mktemp('run'), data) / 'iter_2.pth'


@pytest.fixture
def tool(load_tool):
    return load_tool(ROOT / 'tools/analysis_tools/provenance.py')


def test_a_checkpoint_names_code_config_data_and_parent(trained, data, tool, capsys):
    found = record(trained)
    weights = ROOT / 'demo/weights/vit-t_shapes.pth'
    (first,) = found['parents']
    assert first['role'] == 'model.backbone.pretrained'
    assert first['sha256'] == file_hash(weights)
    (facts,) = found['data']
    assert facts['pictures'] == 5 and facts['path'].endswith('train.txt')
    assert found['config']['path'] == str(CONFIG)
    tool.main([str(trained.parent)])  # of a work dir the last checkpoint
    printed = capsys.readouterr().out
    assert str(trained.parent / 'iter_4.pth') in printed and '5 pictures' in printed
    assert first['sha256'][:16] in printed and found['code']['sources'] in printed


def test_the_record_names_the_labels_that_were_read(data, tmp_path, trained):
    relabelled = draw_data(tmp_path / 'data')
    names = relabelled / 'splits/train.txt'
    names.write_text(names.read_text().replace('im_00 dots', 'im_00 rings'))
    other = record(run(tmp_path / 'run', relabelled) / 'iter_1.pth')
    assert other['data'][0]['labels'] != record(trained)['data'][0]['labels']


def test_a_resumed_run_keeps_its_record(trained, data, tmp_path):
    before = record(trained)
    once = run(tmp_path / 'once', data, resume=True, load_from=str(trained))
    assert record(once / 'iter_4.pth') == before | dict(resumed=[2])
    third = str(once / 'iter_3.pth')
    twice = run(tmp_path / 'twice', data, resume=True, load_from=third)
    assert record(twice / 'iter_4.pth') == before | dict(resumed=[2, 3])


def test_a_run_that_goes_on_with_other_data_names_what_it_began_with(
    trained, tmp_path, tool, capsys
):
    fewer = draw_data(tmp_path / 'data', 3)
    folder = run(tmp_path / 'run', fewer, resume=True, load_from=str(trained))
    after = record(folder / 'iter_3.pth')
    assert after['data'][0]['pictures'] == 3
    (begun,) = after['parents']
    assert begun['record'] == record(trained) and begun['iteration'] == 2
    assert begun['sha256'] == file_hash(trained)
    tool.main([str(folder / 'iter_3.pth'), '--out', str(tmp_path / 'out.json')])
    assert json.loads((tmp_path / 'out.json').read_text()) == after
    assert '5 pictures' in capsys.readouterr().out


def test_labels_name_the_network_and_its_own_record(trained, data, tmp_path, tool):
    out = tmp_path / 'labels'
    cfg = config_of('cam', data)
    settings = GenerateCfg(split='train', save=('mask',), refine='none')
    generate_labels(cfg, str(trained), out, settings)
    _, found = tool.find_record(out / 'mask')
    (network,) = found['parents']
    assert network['sha256'] == file_hash(trained)
    assert network['record'] == record(trained)
    # what is finished keeps its record, whatever code looks at it again
    manifest = out / 'manifest.json'
    content = json.loads(manifest.read_text())
    content[KEY]['code']['sources'] = 'of old'
    manifest.write_text(json.dumps(content))
    generate_labels(cfg, str(trained), out, settings)
    assert tool.find_record(out)[1]['code']['sources'] == 'of old'
    generate_labels(cfg, str(trained), out, settings, RunOptions(overwrite=True))
    assert tool.find_record(out)[1]['code'] == found['code']


def test_a_published_file_keeps_it_without_folders(trained):
    saved = torch.load(trained, weights_only=True)
    meta = published_checkpoint(saved)['meta']
    assert meta[KEY]['config'] == record(trained)['config'] | dict(path=CONFIG.name)
    assert meta[KEY]['code'] == record(trained)['code']


def test_an_old_file_says_so_in_one_line(tool, tmp_path):
    weights = ROOT / 'demo/weights/vit-t_shapes.pth'
    for path in (weights, tmp_path):
        with pytest.raises(UserError, match='says nothing of where it comes') as error:
            tool.main([str(path)])
        assert '\n' not in str(error.value)
