# Licensed under Apache-2.0.
"""A pipeline's description, read and checked before anything runs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmwsss.io.errors import UserError, check_choice

from .label_options import labeler_text
from .stage_types import STAGE_TYPES, StageType

COMMON_KEYS = ('name', 'type', 'config', 'cfg_options', 'inputs', 'args')
ALL = 'all'
_NAME = re.compile(r'[A-Za-z0-9][\w-]*')
_NEED = re.compile(r'\{([A-Za-z0-9][\w-]*)\.(\w+)\}')


class PipelineError(UserError):
    """A pipeline's description is wrong; names the value and the fix."""


@dataclass(frozen=True)
class Stage:
    """One stage of a pipeline.

    Strings may hold ``{stage.what}``: the path of what an earlier stage yields.

    Attributes:
        number: its place, from 1.
        name: unique in the pipeline.
        type: key of the table of types.
        kind: what the table says of it.
        config: config file, ``None`` where the type takes none.
        cfg_options: settings merged into that config, keys with dots or nested.
        values: what the tool is given, by key.
        inputs: further files and folders whose change makes the stage run again.
        args: further arguments of the tool, as they are.
        overrides: settings from the command line, merged last.
    """

    number: int
    name: str
    type: str
    kind: StageType
    config: Path | None = None
    cfg_options: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs(self) -> tuple[tuple[str, str], ...]:
        """``(stage, what)`` of everything that it takes from earlier stages."""
        places = (self.values, self.cfg_options, self.overrides, self.inputs, self.args)
        return tuple(dict.fromkeys(find_needs(places)))

    def read_config(self, paths: Mapping[str, str] | None = None) -> Config:
        """The config with all options merged; empty where the type takes none.

        Args:
            paths: what ``{stage.what}`` stands for; without it they stay as they are.
        """
        if self.config is None:
            return Config()
        cfg = Config.fromfile(self.config, import_custom_modules=False)
        for options in (self.cfg_options, self.overrides):
            try:
                cfg.merge_from_dict(dict(fill(options, paths or {})))
            except (TypeError, KeyError) as error:
                raise PipelineError(
                    f'stage {self.name!r}: {self.config} cannot take the options '
                    f'{sorted(options)}: {error}'
                ) from error
        cfg.pop('work_dir', None)
        return cfg


def find_needs(value: Any) -> Iterator[tuple[str, str]]:
    """All ``{stage.what}`` in nested lists and dicts."""
    if isinstance(value, str):
        yield from _NEED.findall(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from find_needs(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from find_needs(item)


def fill(value: Any, paths: Mapping[str, str]) -> Any:
    """Put paths in the place of ``{stage.what}``; unknown ones stay."""
    if isinstance(value, str):
        return _NEED.sub(lambda m: paths.get(f'{m[1]}.{m[2]}', m[0]), value)
    if isinstance(value, Mapping):
        return {key: fill(item, paths) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(fill(item, paths) for item in value)
    return value


def read_stages(
    file: str | Path, types: Mapping[str, StageType] = STAGE_TYPES
) -> tuple[Stage, ...]:
    """The stages of a pipeline config.

    Raises:
        PipelineError: naming the stage, the value and the fix.
    """
    if not Path(file).is_file():
        raise PipelineError(f'there is no pipeline config {file}: check the path')
    cfg = Config.fromfile(file, import_custom_modules=False)
    listed = cfg.get('stages')
    if not isinstance(listed, (list, tuple)) or not listed:
        raise PipelineError(
            f"{file} has no stages; give stages = [dict(name='cam', type='train', "
            "config='...'), ...]"
        )
    plain = cfg.to_dict()['stages']
    stages = tuple(
        _read_stage(i, entry, Path(file).parent, types)
        for i, entry in enumerate(plain, 1)
    )
    check_needs(stages)
    return stages


def _read_stage(
    number: int, entry: Any, folder: Path, types: Mapping[str, StageType]
) -> Stage:
    """One checked entry of ``stages``."""
    where = f'stages[{number - 1}]'
    if not isinstance(entry, Mapping):
        raise PipelineError(f'{where} is {entry!r}: write dict(name=..., type=...)')
    name = entry.get('name')
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == ALL:
        raise PipelineError(
            f'{where} has the name {name!r}: give it one of letters, '
            f'digits, "_" and "-" that is not {ALL!r}'
        )
    where = f'stage {name!r}'
    kind = types.get(str(entry.get('type')))
    if kind is None:
        raise PipelineError(
            f'{where} has type={entry.get("type")!r}; use one of {sorted(types)}'
        )
    _check_keys(where, entry, kind)
    return Stage(
        number,
        name,
        entry['type'],
        kind,
        config=_find_config(where, entry['config'], folder)
        if entry.get('config') is not None
        else None,
        cfg_options=dict(entry.get('cfg_options') or {}),
        values={
            key: _as_word(entry[key]) for key in kind.keys if entry.get(key) is not None
        },
        inputs=_strings(where, 'inputs', entry.get('inputs')),
        args=_strings(where, 'args', entry.get('args')),
    )


def _check_keys(where: str, entry: Mapping[str, Any], kind: StageType) -> None:
    common = [
        key
        for key in COMMON_KEYS
        if kind.has_config or key not in ('config', 'cfg_options')
    ]
    unknown = sorted(set(entry) - {*common, *kind.keys})
    if unknown:
        raise PipelineError(
            f'{where} has the unknown key {unknown[0]!r}; a stage of type '
            f'{entry["type"]!r} knows {sorted({*common, *kind.keys})}'
        )
    lacking = [key for key in kind.takes if not isinstance(entry.get(key), str)]
    if lacking:
        raise PipelineError(
            f'{where} needs {lacking[0]}=..., a path or '
            f"'{{earlier stage.what}}', got {entry.get(lacking[0])!r}"
        )
    options = entry.get('cfg_options') or {}
    if not isinstance(options, Mapping):
        raise PipelineError(f'cfg_options of {where} is {options!r}: write a dict')
    for key, allowed in kind.choices.items():
        check_choices(where, key, entry.get(key), allowed)


def check_choices(where: str, key: str, given: Any, allowed: Sequence[str]) -> None:
    """Refuse a value, or one of several, that a setting can't have."""
    for value in () if given is None else as_list(given):
        check_choice(f'{key} of {where}', value, allowed, PipelineError)


def _as_word(value: Any) -> Any:
    """A dict (``labeler``) as the tool reads it from the command line."""
    return labeler_text(value) if isinstance(value, Mapping) else value


def as_list(value: Any) -> list:
    """A list, a tuple or ``'a,b'`` as a list."""
    return value.split(',') if isinstance(value, str) else list(value)


def _strings(where: str, key: str, value: Any) -> tuple[str, ...]:
    value = () if value is None else value
    if isinstance(value, str) or any(not isinstance(item, str) for item in value):
        raise PipelineError(f'{key} of {where} is {value!r}: write a list of strings')
    return tuple(value)


def _find_config(where: str, config: str, folder: Path) -> Path:
    """A config below the working directory, or else beside the pipeline's."""
    for path in (Path(config), folder / config):
        if path.is_file():
            return path
    raise PipelineError(
        f'{where}: there is no config {config} (looked for it in {os.getcwd()} and '
        f'{folder}); correct the path, or run from the folder of the project'
    )


def check_needs(stages: Sequence[Stage]) -> None:
    """Names are unique and every need is yielded by an earlier stage.

    Raises:
        PipelineError: naming the stage and the fix.
    """
    earlier: dict[str, Stage] = {}
    names = [stage.name for stage in stages]
    for stage in stages:
        if stage.name in earlier:
            raise PipelineError(f'two stages have the name {stage.name!r}: rename one')
        for name, what in stage.needs:
            _check_need(stage, name, what, earlier, names)
        earlier[stage.name] = stage


def _check_need(
    stage: Stage,
    name: str,
    what: str,
    earlier: Mapping[str, Stage],
    names: Sequence[str],
) -> None:
    asked = f'stage {stage.name!r} needs {{{name}.{what}}}'
    if name not in earlier:
        place = 'comes later' if name in names else 'does not exist'
        raise PipelineError(
            f'{asked}, but stage {name!r} {place}; the stages before '
            f'it are {list(earlier)}'
        )
    giver = earlier[name]
    if what not in giver.kind.yields:
        raise PipelineError(
            f'{asked}, but a stage of type {giver.type!r} yields '
            f'{sorted(giver.kind.yields) or "nothing"}'
        )
    select = giver.kind.selects
    saved = as_list(giver.values.get(select, ())) if select else []
    choices = giver.kind.choices.get(select, ())
    if saved and what in choices and what not in saved:
        raise PipelineError(
            f'{asked}, but {name!r} writes only {saved}: add {what!r} to its {select}'
        )
