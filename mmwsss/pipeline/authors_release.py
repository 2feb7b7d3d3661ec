# Licensed under Apache-2.0.
"""Checkpoints of the authors' own code: where they are, and their conversion.

An entry of a metafile has ``Release``: ``Page`` (the authors' repository), ``Link``,
``Kind`` and ``How`` (where weights are linked there), ``Converter`` (a file of
``tools/model_converters``), its ``Arguments``, ``Second File`` (its option that takes
one) and ``Config Options`` (what the released network needs besides the config).
"""

from __future__ import annotations

import os
import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from mmwsss.io import zoo_cells
from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.convert_file import claim_target
from mmwsss.io.errors import UserError

from .inference import init_model
from .zoo_files import refuse_other

#: of a file that was converted, and not yet compared with the network
UNCHECKED = '.unchecked'


def how_to_get(entry: Mapping[str, Any]) -> str:
    """One line: where the authors' weights are, and what to do with them.

    Args:
        entry: of a metafile, with ``Release``.
    """
    release, name = entry['Release'], entry['Name']
    convert = f'python tools/download.py {name} --from FILE'
    if 'Link' not in release:
        return (
            f'{name} has no weights, and the page of its authors, {release["Page"]}, '
            'links none. A checkpoint that their code has trained is converted by: '
            f'{convert}'
        )
    how = release['How'].replace('LINK', release['Link'])
    return (
        f"{name}: the authors' weights carry no licence and are not passed on. Fetch "
        f'them yourself ({release["Kind"]} {release["Link"]}: {how}), then: {convert}'
    )


def convert_release(
    root: Path, entry: Mapping[str, Any], sources: Sequence[str], dest: Path
) -> tuple[Path, Path, int]:
    """Convert the authors' checkpoint, and compare it key by key with our network.

    Args:
        root: what holds ``configs`` and ``tools``.
        entry: of a metafile, with ``Release``.
        sources: the authors' file; a second one where the converter takes it.
        dest: the folder for config and weights, which is made.

    Returns:
        Config (one file, with what the released network needs), weights, number of
        tensors.

    Raises:
        UserError: if a file isn't of that layout, or doesn't fit the config; nothing
            is left then.
    """
    release, name = entry['Release'], entry['Name']
    arguments = [*release.get('Arguments', ()), *_second(release, sources[1:])]
    cfg = Config.fromfile(root / entry['Config'])
    cfg.merge_from_dict(settings_of(release.get('Config Options', ())))
    config, weights = dest / f'{name}.py', dest / f'{name}.pth'
    for source in sources:
        claim_target(str(weights), source)
    unchecked = weights.with_name(weights.name + UNCHECKED)
    tool = root / 'tools/model_converters' / release['Converter']
    try:
        runpy.run_path(str(tool))['main']([sources[0], str(unchecked), *arguments])
        model = init_model(cfg, str(unchecked))
        text = cfg.pretty_text
        refuse_other(config, text)
        write_atomic(text.encode(), config)
        os.replace(unchecked, weights)
    finally:
        unchecked.unlink(missing_ok=True)
    return config, weights, len(model.state_dict())


def _second(release: Mapping[str, Any], more: Sequence[str]) -> list[str]:
    """The converter's option for a second file."""
    if not more:
        return []
    if len(more) > 1 or 'Second File' not in release:
        raise UserError(
            f'{release["Converter"]} takes {1 + ("Second File" in release)} file(s) at '
            f'most, got {1 + len(more)} with --from'
        )
    return [release['Second File'], more[0]]


def settings_of(pairs: Sequence[str]) -> dict[str, Any]:
    """``KEY=VALUE`` as settings.

    Args:
        pairs: as after ``--cfg-options``.
    """
    split = (pair.partition('=') for pair in pairs)
    return {key: DictAction._parse_iterable(value) for key, _, value in split}


def expected(entry: Mapping[str, Any]) -> str:
    """One line: the scores that the authors published, each with its protocol."""
    kinds = zoo_cells.kinds_of(zoo_cells.all_published([entry]))
    if not kinds:
        return 'the authors published no score of it'
    told = zoo_cells.published(entry, kinds).replace('<br>', '; ')
    return f'published by the authors, mIoU of {" / ".join(kinds)}: {told}'
