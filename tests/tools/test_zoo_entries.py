# Licensed under Apache-2.0.
"""What the metafiles say is what configs, benchmarks and data sets say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.models import VisionTransformer

from mmwsss.cli.inference_options import segmentor_cfg
from mmwsss.io.checkpoint import resolve_url
from mmwsss.io.fetch import file_name
from mmwsss.io.initial_weights import backbones
from mmwsss.io.metafiles import metafiles, models, read_metafile
from mmwsss.io.weight_files import hash_in_name
from mmwsss.io.zoo_cells import KINDS
from mmwsss.pipeline import config_facts
from mmwsss.pipeline.authors_release import settings_of
from mmwsss.pipeline.config_facts import FACTS
from mmwsss.pipeline.inference import dataset_meta
from mmwsss.pipeline.publish import (
    OWN_WEIGHTS,
    config_as_written,
    initial_weights,
)
from mmwsss.registry import MODELS
from tests.helpers import ROOT

ENTRIES = models(ROOT)
BACKBONES = backbones(ROOT)
NETWORKS = [n for n, e in ENTRIES.items() if 'Iterations' in e['Metadata']]
METRICS = {metric for names in KINDS.values() for metric in names}
#: keys of an entry that are written by hand, or by publishing
KEYS = {
    'Name', 'In Collection', 'Config', 'Note', 'Weights', 'Metadata', 'Published',
    'Release', 'Benchmark', 'Measured', 'Results',
}  # fmt: skip


@pytest.fixture(scope='module', autouse=True)
def read_once() -> Iterator[None]:
    """No config is read twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config_facts, 'config_as_written', cached)
        yield


cached = cache(config_as_written)


@pytest.fixture
def configs() -> dict[str, Config]:
    """All configs."""
    return {n: cached(ROOT / e['Config']) for n, e in ENTRIES.items()}


def test_metafiles_follow_configs_and_benchmarks(load_tool) -> None:
    """What ``tools/misc/update_metafiles.py`` would write is there."""
    tool = load_tool(ROOT / 'tools/misc/update_metafiles.py')
    wrong = [f'{path}: {entry["Name"]}' for path, entry in tool.out_of_date()]
    assert not wrong, f'run python tools/misc/update_metafiles.py: {wrong}'


def test_a_stale_fact_is_seen(load_tool) -> None:
    """Whichever of the fields, and a figure that nobody has measured."""
    tool = load_tool(ROOT / 'tools/misc/update_metafiles.py')
    entry = ENTRIES['toco_vit-b_voc']
    facts = {key: entry['Metadata'][key] for key in FACTS}
    assert tool.with_facts(entry, facts) == entry
    for key in FACTS:
        other = entry | dict(Metadata=entry['Metadata'] | {key: 'x'})
        assert tool.with_facts(other, facts) == entry, key
    animals = ENTRIES['toco_deit-t_animals']
    row = dict(File='benchmarks/results/none.json', Row='toco')
    invented = animals | dict(Benchmark=row, Measured=dict(Seeds=3))
    assert 'Measured' not in tool.with_facts(invented, {})


@pytest.mark.parametrize('name', ENTRIES)
def test_an_entry_has_known_keys(name: str) -> None:
    entry = ENTRIES[name]
    assert set(entry) <= KEYS, set(entry) - KEYS
    known = entry['Metadata']
    assert {'Supervision', 'Training Data', 'Class Count', 'Architecture'} <= set(known)
    for found in entry.get('Published', ()):
        assert set(found['Metrics']) <= METRICS and found['Source'] and found['Split']
        assert set(found) <= {'Split', 'How', 'Metrics', 'Source', 'Log', 'Cost'}
        assert all(5 < value < 100 for value in found['Metrics'].values())
    assert 'Measured' not in entry or 'Benchmark' in entry or entry['Measured']


def size_of(backbone: Mapping[str, Any]) -> str:
    """What the architecture's text must hold, by the settings of the backbone."""
    kind = str(backbone['type']).split('.')[-1]
    if 'patch_size' in backbone:
        arch = backbone['arch']
        if not isinstance(arch, str):
            return f'ViT-T/{backbone["patch_size"]}'
        width = VisionTransformer.arch_zoo[arch]['embed_dims']
        return f'-{ {192: "Ti", 384: "S", 768: "B"}[width] }/{backbone["patch_size"]}'
    if 'depth' in backbone:
        narrow = 'narrow ' * (backbone.get('base_channels', 64) < 64)
        return f'{narrow}ResNet-{backbone["depth"]}'
    if kind == 'WideResNet38':
        return 'tiny ' * (backbone.get('widths', (64,))[0] < 64) + 'Wide-ResNet-38'
    full = backbone.get('embed_dims', 64) in (64, (64, 128, 320, 512))
    return 'MiT-B1' if full else 'MiT-T'


@pytest.mark.parametrize('name', NETWORKS)
def test_the_architecture_is_the_configs(name: str, configs) -> None:
    known, cfg = ENTRIES[name]['Metadata'], configs[name]
    assert size_of(segmentor_cfg(cfg).backbone) in known['Architecture']
    start = BACKBONES.get(known['Pretraining'])
    if start is not None:  # DeiT's weights make a DeiT
        family = re.sub(r' \(.*', '', start.architecture)
        assert family in known['Architecture']


@pytest.mark.parametrize('name', NETWORKS)
def test_classes_and_batch_are_the_configs(name: str, configs) -> None:
    known, cfg = ENTRIES[name]['Metadata'], configs[name]
    classes = dataset_meta(cfg).get('classes')
    if classes:
        assert len(classes) == known['Class Count']
    assert cfg.model.get('num_classes', known['Class Count']) == known['Class Count']
    if 'GPUs' in known:
        batch = known['GPUs'] * known['Batch Size']
        assert cfg.auto_scale_lr.base_batch_size == batch


@pytest.mark.parametrize('name', NETWORKS)
def test_initial_weights_are_known(name: str, configs) -> None:
    """Every address and path that a config names is one that download.py fetches."""
    source = initial_weights(configs[name])
    if source is None:
        assert ENTRIES[name]['Metadata']['Pretraining'] == 'none'
    elif source.startswith(OWN_WEIGHTS):
        assert ENTRIES[name]['Metadata']['Pretraining'] in Path(source).name
    else:
        one = BACKBONES[ENTRIES[name]['Metadata']['Pretraining']]
        assert one.is_of(source)


@pytest.mark.parametrize('name', BACKBONES)
def test_digits_of_initial_weights_are_those_of_their_name(name: str) -> None:
    """Or of a folder in their address; none is known from elsewhere."""
    one = BACKBONES[name]
    file = file_name(resolve_url(one.url))
    in_address = [part for part in one.url.split('/') if len(part) == 64]
    assert one.sha256 in (in_address or [hash_in_name(file)]) and name not in ENTRIES


def test_initial_weights_are_used() -> None:
    used = {entry['Metadata'].get('Pretraining') for entry in ENTRIES.values()}
    assert set(BACKBONES) <= used


RELEASES = [name for name, entry in ENTRIES.items() if 'Release' in entry]


@pytest.mark.parametrize('name', RELEASES)
def test_a_release_can_be_fetched_and_converted(name: str) -> None:
    release = ENTRIES[name]['Release']
    assert release['Page'].startswith('https://')
    assert (ROOT / 'tools/model_converters' / release['Converter']).is_file()
    assert ('Link' in release) == ('Kind' in release) == ('How' in release)
    assert release.get('Link', 'https://').startswith('https://')


@pytest.mark.parametrize(
    'name', [n for n in RELEASES if 'Config Options' in ENTRIES[n]['Release']]
)
def test_options_of_a_release_make_a_network(name: str) -> None:
    cfg = config_as_written(ROOT / ENTRIES[name]['Config'])
    before = cfg.to_dict()
    cfg.merge_from_dict(settings_of(ENTRIES[name]['Release']['Config Options']))
    assert cfg.to_dict() != before
    init_default_scope(cfg.default_scope)
    with torch.device('meta'):
        assert MODELS.build(cfg.model).num_classes == cfg.num_classes


def test_every_converter_is_some_release() -> None:
    """But those of initial weights, which configs may read as they are."""
    there = {p.name for p in (ROOT / 'tools/model_converters').glob('*.py')}
    used = {ENTRIES[name]['Release']['Converter'] for name in RELEASES}
    assert there == used | {'timm_vit.py', 'clip.py', 'dinov2.py'}


@pytest.mark.parametrize(
    ('script', 'rows'),
    [
        ('shapes_ablation', 'ROWS'),
        ('animals', 'ROWS'),
        ('shapes_pipelines', 'PIPELINES'),
        ('animals_pipelines', 'PIPELINES'),
    ],
)
def test_a_benchmark_is_of_the_entrys_config(script: str, rows: str, load_tool):
    """And every row of a benchmark is some entry's, once it has figures."""
    known = getattr(load_tool(ROOT / f'benchmarks/{script}.py'), rows)
    file = f'benchmarks/results/{script}.json'
    named = {
        entry['Benchmark']['Row']: entry
        for entry in ENTRIES.values()
        if entry.get('Benchmark', {}).get('File') == file
    }
    for row, entry in named.items():
        assert known[row].config == entry['Config']
        stages = entry['Benchmark'].get('Stages', {})
        assert set(stages.values()) <= set(getattr(known[row], 'stages', {}))
    missing = set(known) - set(named)
    assert missing <= {'cam'}, missing  # Shapes' plain CAM is the demo's


def test_figures_without_a_benchmark_stand_in_its_page() -> None:
    for entry in ENTRIES.values():
        found = entry.get('Measured', {})
        if 'Source' not in found:
            continue
        lines = (ROOT / found['Source']).read_text(encoding='utf-8').splitlines()
        figures = [str(value) for value in found['Metrics'].values()]
        assert any(all(f' {f} ' in line for f in figures) for line in lines), figures


@pytest.mark.parametrize('path', metafiles(ROOT), ids=lambda path: path.parent.name)
def test_a_metafile_is_what_mim_can_read(path: Path) -> None:
    """Lists of texts, numbers, texts; no key in brackets, which it takes for a unit."""
    for entry in read_metafile(path)['Models']:
        for key, value in entry['Metadata'].items():
            assert '(' not in key
            if isinstance(value, list):
                assert value and all(isinstance(item, str) for item in value), key
