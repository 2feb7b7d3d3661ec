# Licensed under Apache-2.0.
"""The command line of a stage's tool."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .stage_folder import StageFolder
from .stages import fill, find_needs


def command(
    folder: StageFolder,
    paths: Mapping[str, str],
    processes: int = 1,
    root: Path = Path(),
    resume: bool = True,
) -> list[str]:
    """Arguments after ``python``; a training goes on from its last checkpoint."""
    stage, kind = folder.stage, folder.stage.kind
    values = fill(stage.values, paths)
    line = [str(root / kind.tool)]
    line += [
        str(folder.config) if key == 'config' else str(values[key])
        for key in kind.takes
    ]
    line += [kind.out, str(folder.run / kind.out_file)]
    for key in kind.flags:
        config = folder.config if key == 'config' and stage.config else None
        line += _flag(key, values.get(key, config), key in kind.joined)
    resumed = resume and kind.resume
    checkpoint = kind.yields['checkpoint'](folder.run) if resumed else None
    line += [kind.resume, str(checkpoint)] if checkpoint else []
    line += fill(stage.args, paths)
    if processes == 1 or not kind.distributed:
        return line
    return [*_torchrun(processes), *line, '--launcher', 'pytorch']


def as_typed(words: Sequence[str]) -> str:
    """A command as one would type it; ``{stage.what}`` that is to come, as it is."""
    return ' '.join(
        word if any(find_needs(word)) else shlex.quote(word) for word in words
    )


def _flag(key: str, value: Any, joined: bool) -> list[str]:
    option = f'--{key.replace("_", "-")}'
    if value is None or value is False:
        return []
    if value is True:
        return [option]
    values = value if isinstance(value, (list, tuple)) else [value]
    words = [str(item) for item in values]
    return [option, ','.join(words)] if joined else [option, *words]


def _torchrun(processes: int) -> list[str]:
    """As ``tools/dist_train.sh`` on one machine: torchrun finds a free port itself."""
    return [
        '-m',
        'torch.distributed.run',
        '--standalone',
        '--local-addr=127.0.0.1',  # a machine's name may not lead back to it
        f'--nproc_per_node={processes}',
    ]
