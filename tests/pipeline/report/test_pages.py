# Licensed under Apache-2.0.
"""The page of each kind of work dir, with the network run on a few pictures."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mmwsss.io.errors import UserError
from mmwsss.pipeline.report.make_report import ReportSettings, gather_report
from mmwsss.pipeline.report.report_page import page
from tests.helpers.run_folders import LINES, trained

SETTINGS = ReportSettings(shown=2)
UNREAD = ReportSettings(pictures=0)
VOID = {'meta', 'link', 'img', 'br'}


class Page(HTMLParser):
    """Headings, anchors and attributes; tags that don't match are refused."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list) -> None:
        values = dict(attrs)
        self.ids += [values['id']] if 'id' in values else []
        self.links += [values['href']] if 'href' in values else []
        self.sources += [values['src']] if 'src' in values else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == 'h2':
            self.headings.append(data)


def page_of(*folders: Path, settings: ReportSettings = SETTINGS) -> tuple[str, Page]:
    html = page(gather_report(folders, settings))
    read = Page(html)
    # it stands alone: nothing is fetched, all places that are linked are there
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)
    assert all(link[1:] in read.ids for link in read.links if link.startswith('#'))
    assert all(source.startswith('data:image/jpeg;base64,') for source in read.sources)
    assert '<script' not in html and 'http://' not in html and 'https://' not in html
    return html, read


@pytest.fixture(scope='module')
def whole(finished) -> tuple[str, Page]:
    return page_of(finished)


def test_every_section_of_a_run(whole) -> None:
    html, read = whole
    assert read.headings == [
        'What was trained on what',
        'Scores',
        'Classes',
        'What is taken for what',
        'Thresholds',
        'Confidence',
        'Pictures',
        'Curves',
        'Which classes come together',
        'Config and environment',
    ]
    assert '58.2' in html  # of the test that was made
    assert 'PyTorch: 2.11.0' in html and 'max_iters' in html
    assert 'segmentation, all pictures of test' in html


def test_pictures_are_shown_with_what_was_made_of_them(whole) -> None:
    html, read = whole
    titles = re.findall(r'<h3>([A-Z]\w+(?: \w+)?)</h3>', html)
    assert titles == ['Worst', 'Median', 'Best', 'Least confident']
    names = re.findall(r'<strong>(test_\d+)</strong>', html)
    assert len(names) == len(set(names)) and 4 <= len(names) <= 6
    for shown in ('photo', 'truth', 'prediction', 'pseudo label'):
        assert html.count(f'<figcaption>{shown}</figcaption>') == len(names), shown
    assert re.search(r'<figcaption>CAM: (stripes|dots|check|rings|zigzag|grid)<', html)


def test_curves_are_named_in_words_and_take_the_colour_of_the_page(whole) -> None:
    html, _ = whole
    assert 'aria-label="Loss, all terms. value: 2 at 1, 1 at 4"' in html
    assert 'currentColor' in html and '#010203' not in html
    assert 'best on the truth: ' in html and 'chosen: 0.5 → ' in html
    assert re.search(r'\d\.\d points from the truth on average \(ECE\)', html)


def test_without_masks(make_run, drawn, tmp_path) -> None:
    for entry in drawn.iterdir():
        if entry.name != 'SegmentationClass':
            (tmp_path / entry.name).symlink_to(entry)
    html, read = page_of(make_run(data=tmp_path))
    left_out = {'Classes', 'What is taken for what', 'Thresholds', 'Confidence'}
    assert not left_out & set(read.headings) and 'Pictures' in read.headings
    assert 'There are no masks, so IoU' in html and 'is not there' in html
    assert '<h3>Least confident</h3>' in html and '<h3>Most confident</h3>' in html
    assert 'confidence 0.' in html and '<figcaption>truth</figcaption>' not in html


def test_a_config_that_tests_on_nothing(make_run) -> None:
    """Its training pictures are looked at."""
    nothing = dict.fromkeys(
        f'{n}_{k}' for n in ('val', 'test') for k in ('dataloader', 'evaluator')
    )
    html, read = page_of(make_run(**nothing))
    assert 'the config has no data set to test on' in html
    assert re.search(r'<strong>train_\d+</strong>', html)


def test_two_runs(finished, make_run) -> None:
    other = make_run('other', randomness=dict(seed=5))
    html, read = page_of(finished, other)
    assert '<h1>toco and other</h1>' in html
    assert 'randomness.seed: 0 → 5' in html
    # the same network: no picture sets them apart
    assert 'other minus toco, segmentation: +0.0 [+0.0, +0.0]' in html
    assert 'these pictures decide nothing' in html
    assert 'ahead of' not in html
    assert html.count('other: mIoU') == len(re.findall('class="card"', html)) > 0


def test_an_interrupted_run(make_run) -> None:
    html, read = page_of(make_run(lines=LINES[:2], weights=False))
    assert '2 of 4: interrupted, or still running' in html
    assert 'the run left no checkpoint' in html
    assert 'Curves' in read.headings and 'Pictures' not in read.headings


def test_data_that_has_gone(make_run, tmp_path) -> None:
    html, read = page_of(make_run(data=tmp_path / 'gone'))
    assert 'No picture was looked at' in html and str(tmp_path / 'gone') in html
    assert 'Curves' in read.headings


def write_stage(work: Path, number: int, name: str, kind: str, **record) -> Path:
    folder = work / f'{number:02d}_{name}'
    (folder / 'run').mkdir(parents=True, exist_ok=True)
    begun = dict(seconds=0.0, settings=dict(type=kind))
    (folder / 'begun.json').write_text(json.dumps(begun))
    if record:
        (folder / 'record.json').write_text(json.dumps(record))
    return folder / 'run'


def test_a_pipeline_has_its_stages(make_run, tmp_path) -> None:
    run = write_stage(
        tmp_path, 1, 'cam', 'train', seconds=120, metrics=dict(cam_mIoU=50)
    )
    run.rmdir()
    make_run().rename(run)
    write_stage(tmp_path, 2, 'masks', 'generate', seconds=60, metrics={})
    sweep = [dict(threshold=t, mIoU=m) for t, m in ((0.1, 30), (0.2, 45), (0.3, None))]
    run = write_stage(
        tmp_path,
        3,
        'cam_score',
        'evaluate',
        seconds=6,
        metrics=dict(mIoU=45, threshold=0.2),
    )
    (run / 'metrics.json').write_text(json.dumps(dict(sweep=dict(raw=sweep))))
    write_stage(tmp_path, 4, 'segmenter', 'train')
    html, read = page_of(tmp_path, settings=UNREAD)
    assert read.headings[:2] == ['Stages', 'cam: What was trained on what']
    rows = re.findall(r'<tr><td class="">.*?</tr>', html)
    cells = [re.findall(r'<td[^>]*>(.*?)</td>', row) for row in rows]
    assert cells == [
        ['cam', 'train', 'finished', '–', '50.0', '–', '–', '2.0'],
        ['masks', 'generate', 'finished', '–', '–', '–', '–', '1.0'],
        ['cam_score', 'evaluate', 'finished', '–', '45.0', '–', '–', '0.1'],
        ['segmenter', 'train', 'begun, not finished', '–', '–', '–', '–', '–'],
    ]
    assert 'best on the truth: 0.2 → 45.0' in html
    assert 'No picture was looked at (--pictures 0)' in html


def test_what_is_no_run_is_refused(tmp_path, finished) -> None:
    with pytest.raises(UserError, match='holds no run: no logs'):
        gather_report([tmp_path], SETTINGS)
    with pytest.raises(UserError, match='there is no folder'):
        gather_report([tmp_path / 'none'], SETTINGS)
    with pytest.raises(UserError, match='is given twice'):
        gather_report([finished, finished], SETTINGS)
    write_stage(tmp_path, 1, 'cam', 'train')
    with pytest.raises(UserError, match='one is of a pipeline'):
        gather_report([tmp_path, finished], SETTINGS)
    with pytest.raises(UserError, match='stages have checkpoints of their own'):
        gather_report([tmp_path], ReportSettings(checkpoint=finished / 'iter_4.pth'))


@pytest.mark.parametrize(
    'wrong', [dict(pictures=-1), dict(shown=0), dict(checkpoint=Path('none.pth'))]
)
def test_settings_that_cannot_be(wrong) -> None:
    with pytest.raises(UserError, match='--pictures|no checkpoint'):
        ReportSettings(**wrong)


def test_names_are_text_not_markup(make_run) -> None:
    run = make_run('<b>run', lines=[trained(1, loss=1.0)], weights=False)
    html, _ = page_of(run, settings=UNREAD)
    assert '<b>' not in html and '&lt;b&gt;run' in html
