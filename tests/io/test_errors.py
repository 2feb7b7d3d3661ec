# Licensed under Apache-2.0.
"""One home of what refuses a setting that is none of those that are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mmwsss.io.errors import UserError, check_choice
from mmwsss.methods.smaf.self_training_cfg import SelfTrainingCfg
from mmwsss.models.prediction.inference_cfg import InferenceCfg
from mmwsss.pipeline.generate.generate_cfg import GenerateCfg
from mmwsss.pipeline.stages import PipelineError, check_choices


@pytest.mark.parametrize(
    'make,message',
    [
        (lambda: InferenceCfg(cam_filter='a'), r"cam_filter must be .*got 'a'"),
        (lambda: InferenceCfg.of(dict(seg=dict(pair='a'))), r"seg.pair must .*got 'a'"),
        (lambda: GenerateCfg(dtype='a'), r"dtype must be one of .*got 'a'"),
        (lambda: SelfTrainingCfg(source='a'), r"source must be one of .*got 'a'"),
        (lambda: check_choice('x', [1], dict(a=1)), r"x must be .*'a',.*got \[1\]"),
    ],
)
def test_a_choice_is_refused_in_one_way(make: Callable, message: str) -> None:
    """As the user's to mend: the tools show the message alone."""
    with pytest.raises(UserError, match=message):
        make()


def test_choices_of_a_stage() -> None:
    check_choices("stage 'a'", 'save', 'cam,mask', ('cam', 'mask'))
    check_choices("stage 'a'", 'save', None, ('cam', 'mask'))
    with pytest.raises(PipelineError, match="save of stage 'a' must .*got 'masks'"):
        check_choices("stage 'a'", 'save', ('cam', 'masks'), ('cam', 'mask'))
