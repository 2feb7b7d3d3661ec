# Licensed under Apache-2.0.
"""The zoo's tables, of small entries."""

from __future__ import annotations

import pytest

from mmwsss.io import zoo_cells as cells
from mmwsss.io import zoo_tables as tables
from mmwsss.io.errors import UserError
from mmwsss.io.initial_weights import Backbone

PLAIN = {
    'Name': 'a_one',
    'Config': 'configs/a/a_one.py',
    'Metadata': {
        'Architecture': 'ViT',
        'Supervision': 'image labels',
        'Training Data': 'Shapes',
        'Pretraining': 'none',
        'Batch Size': 4,
        'Iterations': 2000,
        'Protocol': 'test, native size',
    },
}
FULL = PLAIN | {
    'Name': 'a_two',
    'Note': '[how](../how.md)',
    'Metadata': PLAIN['Metadata'] | {'Crop Size': 96, 'GPUs': 2, 'Pretraining': 'net'},
    'Published': [
        dict(Split='val', Metrics=dict(cam_mIoU=50.5, seg_mIoU=40), Source='paper',
             Log='https://x.org/log', Cost='1 h'),
        dict(Split='test', How='--tta', Metrics=dict(seg_mIoU=41.0), Source='paper'),
    ],
    'Benchmark': dict(File='benchmarks/results/x.json', Row='x'),
    'Measured': dict(
        Seeds=2,
        Metrics=dict(cam_mIoU=1.0, pseudo_mIoU=2.0, pseudo_labelled=60.4,
                     seg_mIoU_tta=3.0),
        Deviation=dict(cam_mIoU=0.5, pseudo_mIoU=0.1),
    ),
    'Release': dict(Page='https://x.org', Link='https://x.org/f', Kind='file', How='x'),
}  # fmt: skip


def rows(table: str) -> list[dict[str, str]]:
    """The lines of a table by its titles."""
    head, _, *lines = [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in table.splitlines()
    ]
    return [dict(zip(head, line, strict=True)) for line in lines]


def test_a_methods_table() -> None:
    one, two = rows(tables.configs_table([PLAIN, FULL], 'configs/a'))
    published = '**published** by the authors, mIoU of CAM / seg'
    measured = '**measured** here, mIoU of CAM / pseudo label'
    assert one['config'] == '[a_one](a_one.py)'
    assert one[published] == one[measured] == one['log'] == cells.NONE
    assert one['network, initial weights'] == 'ViT<br>from scratch'
    assert one['iterations'] == '2,000<br>of 4' and one['data'] == 'Shapes'
    assert two['config'] == '[a_two](a_one.py): [how](../how.md)'
    assert two['iterations'] == '2,000<br>of 2 × 4' and two['data'] == 'Shapes, 96 px'
    assert two[published] == '50.5 / 40 (val)<br>– / 41.0 (test, --tta)'
    assert two[measured] == (
        '1.0 ± 0.5 / 2.0 ± 0.1 on 60 % (test, 2 seeds)<br>with `--tta`: 3.0'
    )
    assert two['training'] == '1 h (authors)'
    assert two['log'] == (
        '[authors](https://x.org/log), [ours](../../benchmarks/results/x.json)'
    )
    page = '../../docs/en/model_zoo.md#the-authors-weights'
    assert two['weights'] == f"[the authors']({page}), to convert"


def test_columns_that_tell_nothing_are_left_out() -> None:
    (row,) = rows(tables.configs_table([PLAIN], 'configs/a'))
    assert set(row) == {
        'config', 'supervision', 'network, initial weights', 'data', 'iterations',
    }  # fmt: skip


def test_a_pipelines_scores_say_on_what() -> None:
    splits = dict(mask_mIoU='train', seg_mIoU='test')
    scores = dict(mask_mIoU=70.0, seg_mIoU=60.0)
    found = dict(Seeds=1, Metrics=scores, Splits=splits)
    entry = PLAIN | dict(Measured=found, Benchmark=FULL['Benchmark'])
    kinds = cells.kinds_of(cells.all_measured([entry]))
    said = cells.measured(entry, kinds)
    assert kinds == ['pseudo label', 'seg']
    assert said == '70.0 / 60.0 (train / test, 1 seed)'
    waiting = {k: v for k, v in entry.items() if k != 'Measured'}
    assert cells.measured(waiting, kinds) == 'not yet'


def test_every_config_and_every_release_on_the_page() -> None:
    one, two = rows(tables.protocols_table([PLAIN, FULL]))
    assert one['config'] == '[a_one](../../configs/a/a_one.py)'
    assert one['weights'] == 'none' and two['weights'].startswith("[the authors'](#the")
    assert '../how.md' not in two['config']  # a way from another folder
    (release,) = rows(tables.releases_table([PLAIN, FULL]))
    assert release['weights'] == '[file](https://x.org/f)'
    assert release['expected mIoU'].startswith('CAM / seg: 50.5 / 40 (val)<br>')


def test_initial_weights() -> None:
    known = Backbone('a', 'https://x.org/a-12345678.pth', 'V', 'p', '12345678', 'MIT')
    listed = Backbone('b', 'torchvision://b', 'R', 'p')
    one, two = rows(tables.backbones_table([known, listed]))
    assert one['file'] == '[a-12345678.pth](https://x.org/a-12345678.pth)'
    assert two['file'] == '`torchvision://b`'
    assert two['sha256 begins with'] == 'not known'


@pytest.mark.parametrize('table', [tables.shipped_table, tables.files_table])
def test_weights_that_were_not_published_by_the_tool(table) -> None:
    assert len(table([PLAIN]).splitlines()) == 2  # the head alone
    with pytest.raises(UserError, match='a_one has Weights, but not all .*publish'):
        table([PLAIN | dict(Weights='zoo/a.pth')])


def test_a_paper_without_a_year() -> None:
    entry = dict(Name='A', Paper=dict(URL='https://x.org'), README='configs/a/R.md')
    with pytest.raises(UserError, match="metafile of A has no 'Metadata'"):
        tables.methods_table([entry])
    assert len(tables.methods_table([dict(Name='no paper')]).splitlines()) == 2
