# Licensed under Apache-2.0.
"""Records of where weights and labels come from."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config

from mmwsss.io.provenance import (
    KEY,
    code_facts,
    config_hash,
    continued,
    data_facts,
    labels_hash_of,
    parent,
    weights_in,
    without_places,
)
from mmwsss.io.provenance_text import provenance_lines
from mmwsss.io.weight_files import file_hash
from mmwsss.version import __version__

RECORD = dict(
    code=dict(version='1', commit=None, sources='aa'),
    config=dict(path='/home/me/a.py', hash='bb'),
    data=[dict(kind='Own', pictures=3, path='/data/train.txt', labels='cc')],
    parents=[dict(role='load_from', source='/home/me/x.pth', sha256='dd', record=None)],
)


def test_code_is_named_by_version_and_sources():
    facts = code_facts()
    assert facts['version'] == __version__ and len(facts['sources']) == 16


@pytest.mark.parametrize(
    'changed',
    [
        dict(work_dir='elsewhere'),
        dict(resume=True),
        dict(load_from='x.pth'),
        dict(model=dict(type='A', backbone=dict(width=4, pretrained=None))),
    ],
)
def test_places_and_weights_are_no_settings(changed):
    """A run that goes on, or runs in another folder, has the same settings."""
    backbone = dict(width=4, pretrained='w.pth')
    cfg = dict(model=dict(type='A', backbone=backbone), work_dir='here', resume=False)
    assert config_hash(Config(cfg)) == config_hash(Config(cfg | changed))


def test_a_setting_changes_the_hash():
    assert config_hash(Config(dict(lr=1))) != config_hash(Config(dict(lr=2)))
    hook = dict(default_hooks=dict(checkpoint=dict(interval=1)))
    other = dict(default_hooks=dict(checkpoint=dict(interval=2)))
    assert config_hash(Config(hook)) != config_hash(Config(other))


def test_weights_are_found_wherever_a_model_names_them():
    model = dict(
        backbone=dict(pretrained='a.pth', init_cfg=dict(checkpoint='b.pth')),
        teachers=[dict(checkpoint='c.pth'), dict(pretrained=None)],
    )
    assert dict(weights_in(model)) == {
        'model.backbone.pretrained': 'a.pth',
        'model.backbone.init_cfg.checkpoint': 'b.pth',
        'model.teachers.0.checkpoint': 'c.pth',
    }


def test_a_parent_has_its_hash_and_its_own_record(tmp_path):
    path = tmp_path / 'x.pth'
    torch.save(dict(meta={KEY: RECORD}, state_dict={}), path)
    found = parent('load_from', str(path))
    assert found['sha256'] == file_hash(path) and found['record'] == RECORD
    path.unlink()  # it may be gone when the record is made
    assert parent('load_from', str(path))['sha256'] is None


def test_labels_and_names_make_the_fingerprint_of_data(tmp_path):
    infos = [
        dict(img_id='a', gt_labels=[0], img_path=str(tmp_path / 'images/a.png')),
        dict(img_id='b', gt_labels=[1], img_path=str(tmp_path / 'images/b.png')),
    ]
    relabelled = [infos[0], infos[1] | dict(gt_labels=[0])]
    assert labels_hash_of(infos) != labels_hash_of(relabelled)
    assert labels_hash_of(infos) != labels_hash_of(infos[::-1])

    class Own(list):
        ann_file = 'train.txt'
        get_data_info = list.__getitem__

    (tmp_path / 'manifest.json').write_text(json.dumps({KEY: RECORD}))
    wrapper = SimpleNamespace(datasets=[Own(infos)])
    (facts,) = data_facts(wrapper)['parts']
    assert facts['pictures'] == 2 and facts['labels'] == labels_hash_of(infos)
    # a folder of outputs says in the folder above what it was made with
    assert facts['made_by'] == {str(tmp_path / 'images'): RECORD}


def test_what_goes_on_unchanged_keeps_its_record():
    assert continued(RECORD, RECORD | dict(parents=[]), role='resume') == RECORD
    newer = RECORD | dict(code=dict(version='2', commit=None, sources='zz'), parents=[])
    chained = continued(RECORD, newer, role='resume', source='x.pth')
    assert chained['code']['version'] == '2'
    (one,) = chained['parents']
    assert one == dict(role='resume', source='x.pth', record=RECORD)
    assert continued(None, newer, role='resume')['parents'][0]['record'] is None


def test_what_is_given_away_names_no_folder():
    url = dict(role='p', source='https://host/w.pth', sha256='ee', record=None)
    data = [*RECORD['data'], dict(kind='M', pictures=1, made_by={'/home/out': RECORD})]
    given = without_places(RECORD | dict(parents=[*RECORD['parents'], url], data=data))
    assert '/home' not in json.dumps(given) and '/data' not in json.dumps(given)
    assert given['config'] == dict(path='a.py', hash='bb')
    assert [p['source'] for p in given['parents']] == ['x.pth', 'https://host/w.pth']
    assert list(given['data'][1]['made_by']) == ['out']


def test_lines_tell_the_chain():
    child = RECORD | dict(parents=[RECORD['parents'][0] | dict(record=RECORD)])
    lines = provenance_lines(child | dict(resumed=[2, 4]))
    assert lines[0] == 'code         mmwsss 1, sources aa'
    assert 'went on at   2, 4' in lines
    nested = [line for line in lines if line.startswith('    ')]
    assert nested[0].strip() == lines[0] and len(nested) == 4
    assert provenance_lines(None) == ['says nothing of where it comes from']
