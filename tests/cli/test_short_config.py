# Licensed under Apache-2.0.
"""Long lists are shortened in the log, and nowhere else."""

from __future__ import annotations

import logging

from mmengine.config import Config

from mmwsss.cli.short_config import short_config_in_log, shortened


def config(count: int) -> Config:
    names = tuple(f'class {i}' for i in range(count))
    meta = dict(classes=names, palette=[(i, i, i) for i in range(count)])
    return Config(dict(a=1, data=dict(metainfo=meta, last=[1, 2]), z='end'))


def test_classes_and_colours_of_many_classes() -> None:
    text = config(81).pretty_text
    short = shortened(text)
    assert len(text.splitlines()) > 480 and len(short.splitlines()) < 45
    assert short.count('# ... 78 more') == 2
    assert "'class 2'" in short and "'class 3'" not in short
    # still a config, with all that stands behind
    read = Config.fromstring(short, '.py')
    assert read.z == 'end' and read.data.last == [1, 2]
    assert read.data.metainfo.palette == [(0, 0, 0), (1, 1, 1), (2, 2, 2)]


def test_short_lists_stay() -> None:
    text = config(12).pretty_text
    assert shortened(text) == text


def test_only_the_config_in_the_log_is_shortened(caplog) -> None:
    text, logger = config(81).pretty_text, logging.getLogger('short')
    with caplog.at_level(logging.INFO), short_config_in_log():
        logger.info(f'Config:\n{text}')
        logger.info(text)
    logger.warning(f'Config:\n{text}')
    assert [len(r.getMessage()) < len(text) for r in caplog.records] == [1, 0, 0]
