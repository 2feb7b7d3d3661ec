# Licensed under Apache-2.0.
"""The tool in several processes, and killed in the middle of its work."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.helpers.generation import contents, draw_data, start_tool, weights_of


def finish(process, message: str = '') -> str:
    output, _ = process.communicate(timeout=600)
    assert process.returncode == (1 if message else 0), output
    assert message in output
    return output


@pytest.mark.slow
def test_two_processes_write_what_one_writes(place, tmp_path) -> None:
    checkpoint = weights_of('toco', place)
    for count in (1, 2):
        output = finish(
            start_tool(
                place / 'data',
                checkpoint,
                tmp_path / str(count),
                '--refine',
                'none',
                '--save',
                'cam,mask,prob',
                '--batch-size',
                '2',
                processes=count,
            )
        )
        assert 'GROUND-TRUTH image labels' in output and '5 images in' in output
    assert contents(tmp_path / '1') == contents(tmp_path / '2')
    assert len(contents(tmp_path / '1')) == 15
    refused = start_tool(
        place / 'data', checkpoint, tmp_path / '1', '--bkg-thr', '0.1', processes=2
    )
    output, _ = refused.communicate(timeout=600)
    assert refused.returncode and 'bkg_thr: [0.5] → [0.1]' in output


@pytest.mark.slow
def test_killed_and_finished_equals_uninterrupted(place, tmp_path) -> None:
    data, count = draw_data(tmp_path / 'data', 40), 40
    checkpoint, arguments = weights_of('toco', place), ('--refine', 'par')
    killed = start_tool(data, checkpoint, tmp_path / 'killed', *arguments)
    masks = tmp_path / 'killed' / 'mask'
    end = time.time() + 300
    while len(list(masks.glob('*.png'))) < 3 and time.time() < end:
        assert killed.poll() is None, killed.communicate()[0]
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    done = len(list(masks.glob('*.png')))
    assert 3 <= done < count
    assert not json.loads((tmp_path / 'killed' / 'manifest.json').read_text())[
        'finished'
    ]
    output = finish(start_tool(data, checkpoint, tmp_path / 'killed', *arguments))
    assert f'{done} of {count} images are done' in output
    finish(start_tool(data, checkpoint, tmp_path / 'whole', *arguments))
    assert contents(tmp_path / 'killed') == contents(tmp_path / 'whole')
