# Licensed under Apache-2.0.
"""Resume and two-process training of the toy model through the tools."""

import pytest

from mmwsss.testing import (
    assert_gradient_is_mean_of_processes,
    assert_resume_is_exact,
    assert_two_processes_agree,
)
from tests.helpers import ROOT

CONFIG = ROOT / 'tests' / 'helpers' / 'toy_config.py'


@pytest.mark.slow
@pytest.mark.parametrize('processes', [1, 2])
@pytest.mark.parametrize('workers', [0, 2])
def test_resume_is_exact(tmp_path, workers, processes):
    assert_resume_is_exact(
        CONFIG, tmp_path, stop=3, total=5, workers=workers, processes=processes
    )


@pytest.mark.slow
def test_two_processes_end_with_equal_weights(tmp_path):
    assert_two_processes_agree(CONFIG, tmp_path)


@pytest.mark.slow
def test_two_process_gradient(tmp_path):
    assert_gradient_is_mean_of_processes(CONFIG, tmp_path)


@pytest.mark.slow
def test_head_without_loss_needs_find_unused(tmp_path):
    """A head without a loss stops DDP unless it is told to look for such heads."""
    options = {'model.late_head': True, 'find_unused_parameters': True}
    assert_two_processes_agree(CONFIG, tmp_path, options)
