# Licensed under Apache-2.0.
"""Two lines of the libraries don't reach the user; all others do."""

from __future__ import annotations

import logging
import subprocess
import sys

import mmengine.logging
import pytest
from mmengine.fileio import FileClient

from mmwsss.io.library_noise import silence_noise
from mmwsss.registry import MODELS
from tests.helpers import ROOT


def say(module: str, text: str, *more) -> None:
    """A line of ``print_log`` as it comes from a module."""
    names = dict(__name__=module, say=mmengine.logging.print_log)
    exec('def line(*values): say(*values)', names)
    names['line'](text, *more)


@pytest.mark.parametrize(
    ('module', 'text', 'shown'),
    [
        ('mmseg.datasets.transforms', 'Could not import OneDL', False),
        ('mmpretrain.datasets', 'Could not import OneDL', False),
        ('somebody.datasets', 'Could not import OneDL', True),
        ('mmseg.datasets', 'Could not import cv2', True),
    ],
)
def test_exactly_these_lines_are_dropped(module, text, shown, capsys):
    say(module, text)
    assert capsys.readouterr().out == (f'{text}\n' if shown else '')


@pytest.mark.parametrize('package', ['datasets', 'models'])
def test_nothing_is_said_whatever_is_imported_first(package):
    command = [sys.executable, '-c', f'import mmwsss.{package}']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert not done.stdout


def test_mmengines_own_file_client_is_not_announced(caplog):
    logger = mmengine.logging.MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        FileClient(backend='disk')
        say('mmengine.fileio.file_client', 'another', 'current', logging.WARNING)
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.messages == ['another']


def test_two_classes_are_no_reason_for_advice(recwarn):
    """mmseg would have one channel and a sigmoid; the methods need both channels."""
    silence_noise()
    MODELS.build(dict(type='mmseg.FCNHead', in_channels=4, channels=4, num_classes=2))
    assert not [w for w in recwarn if 'binary segmentation' in str(w.message)]
