# Licensed under Apache-2.0.
"""Settings as Python text."""

from __future__ import annotations

import pytest

from mmwsss.pipeline.own_config.code_text import WIDTH, Name, assignment, code

DEEP = dict(
    model=dict(type='ToCo', weights=dict(seg=[(0, 0.0), (300, 0.1)]), size=(224, 224)),
    paths=['a/long/path/of/a/file', 'another/long/path/of/a/file'] * 2,
    single=(1,),
    names=tuple(f'class {i}' for i in range(40)),
    palette=[(i, 0, 255) for i in range(40)],
    **{'backbone.pos_embed': None},
)


@pytest.mark.parametrize('value', [DEEP, {}, [], (), 'a', 1e-7, None, [DEEP, DEEP]])
def test_the_text_is_the_value(value) -> None:
    text = assignment('x', value)
    space: dict = {}
    exec(text, space)
    assert space['x'] == value
    assert max(map(len, text.splitlines())) <= WIDTH


def test_names_and_what_is_laid_over() -> None:
    value = {'**data': Name('data'), 'pipeline': Name('train_pipeline')}
    assert code(value) == 'dict(**data, pipeline=train_pipeline)'
