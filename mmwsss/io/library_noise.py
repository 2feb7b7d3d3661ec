# Licensed under Apache-2.0.
"""Lines of the libraries below that say nothing to whoever uses mmwsss."""

from __future__ import annotations

import logging as levels
import sys
import warnings
from typing import Any

from mmengine import logging
from mmengine.fileio import file_client

#: (module that says it, how the line begins): an optional data set reader that no
#: network here needs, said on standard output whatever the level; and a class that
#: mmengine's own checkpoint hook makes
NOISE = (
    ('mmseg.datasets', 'Could not import OneDL'),
    ('mmpretrain.datasets', 'Could not import OneDL'),
    ('mmengine.fileio.file_client', '"FileClient" will be deprecated'),
    ('mmengine.fileio.file_client', '"HardDiskBackend" is the alias of'),
)
#: advice for two classes, background and one other, where the softmax of both is meant
ADVICE = 'For binary segmentation, we suggest using'
#: what is meant, too, where mmseg's text encoder is run
SAME_MASK = 'Use same attn_mask in all attentions'
_print_log = logging.print_log


def print_log(msg: Any, logger: Any = None, level: int = levels.INFO) -> None:
    """mmengine's ``print_log`` without :data:`NOISE`; all else passes unchanged."""
    speaker = sys._getframe(1).f_globals.get('__name__', '')
    text = str(msg)
    for module, begin in NOISE:
        if speaker.startswith(module) and text.startswith(begin):
            return
    _print_log(msg, logger, level)


def silence_noise() -> None:
    """Put :func:`print_log` in the place of mmengine's, before those modules import it.

    ``print_log`` without a logger prints whatever the level, so that no filter of
    Python's logging or warnings reaches these lines.
    """
    for begin in (ADVICE, SAME_MASK):
        warnings.filterwarnings('ignore', message=begin)
    logging.print_log = print_log
    file_client.print_log = print_log
