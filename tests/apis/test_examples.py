# Licensed under Apache-2.0.
"""The examples in the docstrings of ``mmwsss.apis`` run, with the shipped network."""

from __future__ import annotations

import doctest
import sys

import pytest

from mmwsss import apis

#: what a user begins with has an example
WITH_EXAMPLES = (
    'WSSSInferencer',
    'dataset_meta',
    'init_model',
    'predict_image',
    'read_photo',
    'zoo_model',
)


@pytest.mark.parametrize('name', apis.__all__)
def test_examples(name, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    thing = getattr(apis, name)
    module = sys.modules[thing.__module__]
    tests = doctest.DocTestFinder(recurse=False).find(thing, name, module)
    examples = [test for test in tests if test.examples]
    assert examples or name not in WITH_EXAMPLES
    for test in examples:
        said: list[str] = []
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
        runner.run(test, out=said.append)
        assert not runner.failures, ''.join(said)
