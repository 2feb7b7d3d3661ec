# Licensed under Apache-2.0.
"""The method of docs/en/add_a_method.md runs as it stands there, inside and outside."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

import mmwsss.methods
from mmwsss.pipeline.label_options import build_labeler
from mmwsss.registry import LABELERS, MODELS, import_modules
from mmwsss.testing import MethodTester, build, step
from tests.helpers import ROOT

PAGE = ROOT / 'docs' / 'en' / 'add_a_method.md'
NAMES = ('ObjectnessLoss', 'MyMethod')
SECTIONS = re.split(r'^## \d\. ', PAGE.read_text(encoding='utf-8'), flags=re.M)


def test_a_whole_package_is_pointed_at() -> None:
    folder = ROOT / 'tests' / 'extending' / 'outside_methods'
    assert folder.relative_to(ROOT).as_posix() in SECTIONS[5] and folder.is_dir()
    assert '(../../tests/extending/test_outside.py)' in SECTIONS[5]


def first_code(section: str) -> str:
    """The first Python code of a section."""
    return re.search(r'```python\n(.*?)```', section, re.S)[1]


#: of each of the sections 1 to 4 the first path and the first code
FILES = {
    re.search(r'`((?:mmwsss|configs|tests)/\S+\.py)`', section)[1]: first_code(section)
    for section in SECTIONS[1:5]
}
LOSS, SEGMENTOR, CONFIG, TEST = FILES


def write_method(folder: Path) -> None:
    """The method's folder, in a folder of packages."""
    folder = folder / 'my_method'
    folder.mkdir(parents=True)
    (folder / '__init__.py').write_text('"""My method (Authors, venue)."""\n')
    for path in (LOSS, SEGMENTOR):
        (folder / Path(path).name).write_text(FILES[path])


@contextmanager
def registered_here() -> Iterator[None]:
    """Within it the method's names are free; what it registers is taken back."""
    known, loaded = MODELS.module_dict, set(sys.modules)
    kept = {name: known.pop(name) for name in NAMES if name in known}
    yield
    for name in set(sys.modules) - loaded:
        if 'my_method' in name:
            del sys.modules[name]
    for name in NAMES:
        known.pop(name, None)
    known.update(kept)


@pytest.fixture(scope='module')
def inside(tmp_path_factory) -> Iterator[str]:
    """The method in a folder beside the other methods; its config beside theirs."""
    root = tmp_path_factory.mktemp('page')
    write_method(root / 'methods')
    path = root / CONFIG
    path.parent.mkdir(parents=True)
    for folder in ('_base_', 'cam'):
        (root / 'configs' / folder).symlink_to(ROOT / 'configs' / folder)
    path.write_text(FILES[CONFIG])
    with registered_here():
        mmwsss.methods.__path__.append(str(root / 'methods'))
        import_modules('mmwsss.methods')  # no list names it
        yield str(path)
        mmwsss.methods.__path__.pop()


# the class of the page itself, under a name that pytest collects through the fixture
scope = dict(__name__=__name__)
exec(compile(FILES[TEST], TEST, 'exec'), scope)


class TestMethodOfThePage(scope['TestMyMethod']):
    """All that holds for every method; its numbers aren't pinned."""

    test_pinned = None

    @pytest.fixture(autouse=True)
    def _config(self, inside) -> None:
        type(self).config = inside


def test_the_test_of_the_page_names_its_config() -> None:
    assert issubclass(scope['TestMyMethod'], MethodTester)
    assert scope['TestMyMethod'].config == CONFIG


def test_from_a_package_outside(tmp_path, monkeypatch, inside) -> None:
    """The same files, by ``custom_imports``: the same losses, bit by bit."""
    expected = step(build(inside), 60)
    write_method(tmp_path)
    head, rest = first_code(SECTIONS[5]), FILES[CONFIG]
    config = tmp_path / 'configs' / 'my_method_vit-t_shapes.py'
    config.parent.mkdir()
    config.write_text(head + re.sub(r'^_base_ = .*\n', '', rest, flags=re.M))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with registered_here():
        model = build('configs/my_method_vit-t_shapes.py')
        assert type(model).__module__ == 'my_method.my_method'
        losses = step(model, 60)
    assert 'loss_mine' in losses and losses.keys() == expected.keys()
    assert all(torch.equal(losses[name], expected[name]) for name in losses)


def test_places_for_a_package_outside(tmp_path, monkeypatch) -> None:
    """The lines of section 5 replace every path that the base says relative to us."""
    places = re.findall(r'```python\n(.*?)```', SECTIONS[5], re.S)[1]
    config = tmp_path / 'mine.py'
    config.write_text("_base_ = ['mmwsss::cam/cam_vit-t_shapes_seg.py']\n" + places)
    cfg = Config.fromfile(config)
    found = [cfg.model.backbone.pretrained]
    for part in ('train', 'val', 'test'):
        found.append(cfg[f'{part}_dataloader'].dataset.data_root)
    assert [p.partition('/')[0] for p in found] == ['MMWSSS'] * 4
    base = Config.fromfile('configs/cam/cam_vit-t_shapes_seg.py')
    assert found[0] == 'MMWSSS/' + base.model.backbone.pretrained
    assert found[1] == 'MMWSSS/' + base.train_dataloader.dataset.data_root


def test_the_labeler_of_the_page() -> None:
    """It is built, and asks for what it says."""
    part = SECTIONS[2].partition('### A labeler of your own')[2]
    scope: dict = {'__name__': __name__}
    try:
        exec('from __future__ import annotations\n' + first_code(part), scope)
        labeler = build_labeler(dict(type='MyLabeler', thr=0.3))
    finally:
        LABELERS.module_dict.pop('MyLabeler', None)
    assert labeler.side_inputs == ('depth',) and labeler.reads_pixels
    assert labeler.with_thresholds(thr=0.5).thr == 0.5
    documented = set(re.findall(r'^\| `(\w+)`', part, re.M))
    assert documented == {
        *('pixels', 'cam', 'side_inputs', 'THRESHOLDS', 'READS_PIXELS')
    }


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.rpartition('/')[2])
def test_style(path: str) -> None:
    for command in (['check', '--output-format=concise'], ['format', '--check']):
        run = subprocess.run(
            [sys.executable, '-m', 'ruff', *command, '--stdin-filename', path, '-'],
            cwd=ROOT,
            input=FILES[path],
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stdout + run.stderr
