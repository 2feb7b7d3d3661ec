# Licensed under Apache-2.0.
"""Every method resumes exactly, and trains alike in two processes."""

from __future__ import annotations

import pytest
from mmengine.config import Config

from mmwsss.testing import (
    assert_gradient_is_mean_of_processes,
    assert_resume_is_exact,
    assert_two_processes_agree,
)


@pytest.mark.slow
@pytest.mark.parametrize('processes,workers', [(1, 0), (1, 2), (2, 2)])
def test_resume_is_exact(method, tmp_path, processes: int, workers: int) -> None:
    """Stopped after the switch of phases, with the teacher already moved."""
    assert_resume_is_exact(
        method, tmp_path, stop=3, total=5, workers=workers, processes=processes
    )


@pytest.mark.slow
def test_two_processes_end_with_equal_weights(method, tmp_path) -> None:
    assert_two_processes_agree(method, tmp_path, {'train_cfg.val_interval': 99})


@pytest.mark.slow
@pytest.mark.parametrize('begin', [0, 1])
def test_gradient_of_two_processes(method, tmp_path, begin: int) -> None:
    """With all terms, and with modules that have no term yet."""
    terms = Config.fromfile(method).model.train_cfg.weights
    weights = {
        term: steps[-1][1] if begin == 0 else [(0, 0.0), (begin, steps[-1][1])]
        for term, steps in terms.items()
        if isinstance(steps, (list, tuple))
    }
    assert_gradient_is_mean_of_processes(
        method, tmp_path, overrides=dict(model=dict(train_cfg=dict(weights=weights)))
    )
