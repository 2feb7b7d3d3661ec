# Licensed under Apache-2.0.
"""Options that don't fit a config are named, with what is in their place."""

from __future__ import annotations

import pytest
from mmengine.config import Config

from mmwsss.cli.merge_options import merge_options
from mmwsss.io.errors import UserError


def config() -> Config:
    return Config(dict(val_dataloader=None, a=dict(b=1), steps=[dict(x=1)], name='t'))


@pytest.mark.parametrize(
    ('name', 'said'),
    [
        ('val_dataloader.num_workers', 'val_dataloader is None'),
        ('a.b.c', 'a.b is 1'),
        ('steps.5.x', 'steps has 1 entries'),
        ('steps.last', 'steps has 1 entries'),
        ('name.q', "name is 't'"),
    ],
)
def test_what_is_in_the_way_is_named(name, said) -> None:
    with pytest.raises(UserError, match=f'--cfg-options {name}=0 .* {said}') as error:
        merge_options(config(), {'a.b': 3, name: 0})
    assert '\n' not in str(error.value)


def test_what_fits_is_merged_at_once() -> None:
    cfg = config()
    merge_options(cfg, {'steps.0.x': 3, 'a.c': 2, 'a._delete_': True, 'new.thing': 1})
    assert cfg.a == dict(c=2) and cfg.steps[0].x == 3 and cfg.new.thing == 1
