# Licensed under Apache-2.0.
"""The command line of the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmwsss.cli.arguments import plain_errors
from tests.helpers import ROOT
from tests.helpers.run_folders import LINES, shapes_config, write_session


@pytest.fixture
def report(load_tool):
    """``report(folder, ...)`` runs the tool without looking at pictures."""
    main = load_tool(ROOT / 'tools/analysis_tools/report.py').main
    return lambda *given: main([*map(str, given), '--pictures', '0'])


@pytest.fixture
def run(tmp_path) -> Path:
    write_session(tmp_path / 'run', 'a', LINES, shapes_config(tmp_path))
    return tmp_path / 'run'


def test_it_lies_in_the_work_dir_and_can_be_made_again(report, run, capsys) -> None:
    assert report(run) == run / 'report.html'
    first = (run / 'report.html').read_text()
    assert first.startswith('<!doctype html>')
    assert report(run).read_text().count('<h2') == first.count('<h2')
    # what is left out is said on the console too
    assert 'No picture was looked at (--pictures 0).' in capsys.readouterr().out


def test_no_other_file_is_written_over(report, run, tmp_path) -> None:
    mine = tmp_path / 'mine.html'
    mine.write_text('<p>mine</p>')
    with pytest.raises(SystemExit, match='was not made by this tool'), plain_errors():
        report(run, '--out', mine)
    assert mine.read_text() == '<p>mine</p>'


def test_an_empty_folder_is_one_line(report, tmp_path) -> None:
    with pytest.raises(SystemExit, match='error: .* holds no run'), plain_errors():
        report(tmp_path)
    assert not (tmp_path / 'report.html').exists()
