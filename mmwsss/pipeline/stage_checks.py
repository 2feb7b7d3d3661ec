# Licensed under Apache-2.0.
"""What the stages of a run will want: asked for before the first one starts."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.utils import import_modules_from_strings

from mmwsss.datasets.side_inputs.old_arguments import translate
from mmwsss.datasets.weak_seg_dataset import WeakSegDataset
from mmwsss.registry import DATASETS, class_of

from .generate.generate_cfg import GenerateCfg
from .generate.split_images import (
    build_split,
    declare_side_input,
    split_cfg,
    train_data,
)
from .label_options import build_labeler, read_labeler, read_segments_entry
from .stages import PipelineError, Stage, find_needs

_WEIGHTS = ('pretrained', 'load_from', 'checkpoint')
#: settings of a stage that are paths, besides what its tool takes
PATHS = ('ann_dir', 'img_dir', 'list', 'cams')
#: data loaders of its config that a type of stage reads
LOADERS_READ = dict(train=('train', 'val'), test=('test',))


def check_values(stages: Sequence[Stage]) -> None:
    """Refuse settings that a stage's tool would refuse.

    Raises:
        PipelineError: naming the stage and the value.
    """
    for stage in stages:
        try:
            _import_custom_modules(stage)
            stage.kind.check(stage.values)
        except ValueError as error:
            raise PipelineError(f'stage {stage.name!r}: {error}') from error


def _import_custom_modules(stage: Stage) -> None:
    """Register what a stage's config brings along, where its labeler may need it."""
    if stage.config is not None and {'labeler', 'refine'} & set(stage.values):
        found = stage.read_config().get('custom_imports')
        if found:
            import_modules_from_strings(**found)


def check_files(stages: Sequence[Stage]) -> None:
    """Refuse data sets, weights and folders that are missing.

    Raises:
        PipelineError: naming all of them, with the stage and the key.
    """
    missing = [
        f'stage {stage.name!r}: {problem}'
        for stage in stages
        for problem in _missing(stage)
    ]
    if missing:
        raise PipelineError(
            '; '.join(missing) + '. Correct the paths (cfg_options of the stage), or '
            'run from the folder that they are relative to'
        )


def check_data(stages: Sequence[Stage]) -> None:
    """Look for the images, labels, masks and maps of all data sets of mmwsss.

    What earlier stages will have made is left out.

    Raises:
        PipelineError: with the stage, the loader, the first file and the fix.
    """
    seen: list[dict] = []
    for stage in stages:
        cfg = stage.read_config() if _loaders_read(stage) else {}
        for part in _loaders_read(stage):
            dataset = _given_dataset(cfg.get(f'{part}_dataloader') or {})
            if dataset is None or dataset in seen:
                continue
            seen.append(dataset)
            try:
                DATASETS.build(dataset)
            except (ValueError, TypeError, OSError) as error:
                raise PipelineError(
                    f'stage {stage.name!r}, {part}_dataloader: {error}'
                ) from error


def _given_dataset(loader: Mapping[str, Any]) -> dict[str, Any] | None:
    """The data set without transforms, if it is one of mmwsss."""
    dataset = dict(loader.get('dataset') or {})
    kind = class_of(dataset['type'], DATASETS) if 'type' in dataset else None
    if not (inspect.isclass(kind) and issubclass(kind, WeakSegDataset)):
        return None
    declared = translate(
        dataset.pop('side_inputs', None), dataset, dataset.get('seg_map_suffix')
    )
    if declared:  # what no earlier stage makes can be looked for
        dataset['side_inputs'] = _given(declared)
    return _given(dataset) | dict(pipeline=[])


def _given(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Those that name nothing an earlier stage has yet to make."""
    return {key: value for key, value in entries.items() if not any(find_needs(value))}


def check_generated(stages: Sequence[Stage]) -> None:
    """Look for the labels of the pictures, and for what labelers take besides.

    Raises:
        PipelineError: with the stage, the first picture and the fix.
    """
    for stage in stages:
        values = stage.values
        if stage.type != 'generate' or values.get('cams'):
            continue
        cam_filter = values.get('cam_filter', GenerateCfg.cam_filter)
        config = stage.read_config()
        if 'type' not in train_data(config):
            continue  # the tool says what it lacks
        try:
            if values.get('segments'):
                entry = read_segments_entry(values['segments'])
                declare_side_input(config, 'segments', entry)
            names = _side_inputs_of(values.get('labeler'))
            cfg = split_cfg(config, values.get('split'), cam_filter, True, names)
            if (cam_filter == 'gt' or names) and not any(find_needs(cfg)):
                build_split(cfg, cam_filter)
        except (ValueError, TypeError, OSError) as error:
            raise PipelineError(f'stage {stage.name!r}: {error}') from error


def _side_inputs_of(labeler: str | None) -> tuple[str, ...]:
    """What a labeler takes; nothing of one that needs what a stage has yet to make."""
    if not labeler or any(find_needs(labeler)):
        return ()
    return build_labeler(read_labeler(labeler)).side_inputs


def check_schedules(stages: Sequence[Stage]) -> None:
    """Refuse trainings that end within their warm-up, as they do when cut short.

    Raises:
        PipelineError: naming all of them, and the option that is lacking.
    """
    wrong = [
        f'stage {stage.name!r}: {problem}'
        for stage in stages
        if stage.type == 'train'
        for problem in _warm_ups(stage.read_config())
    ]
    if wrong:
        raise PipelineError(
            '; '.join(wrong) + '. Shorten the warm-up with the training: '
            '--cfg-options all.param_scheduler.0.warmup_iters=N'
        )


def _warm_ups(cfg: Mapping[str, Any]) -> Iterator[str]:
    length = (cfg.get('train_cfg') or {}).get('max_iters')
    schedules = cfg.get('param_scheduler') or []
    for i, schedule in enumerate(
        schedules if isinstance(schedules, (list, tuple)) else [schedules]
    ):
        warm_up, total = (
            schedule.get('warmup_iters'),
            schedule.get('total_iters', length),
        )
        if warm_up is not None and total is not None and warm_up >= total:
            yield (f'param_scheduler.{i}.warmup_iters={warm_up} of {total} iterations')


def _missing(stage: Stage) -> Iterator[str]:
    for key, value in stage.values.items():
        if (key in stage.kind.takes or key in PATHS) and _is_absent(value):
            yield f'there is no {key} {value}'
    for path in stage.inputs:
        if _is_absent(path):
            yield f'there is no input {path}'
    cfg = stage.read_config().to_dict()
    yield from dict.fromkeys(_missing_in(cfg, _loaders_read(stage)))


def _loaders_read(stage: Stage) -> tuple[str, ...]:
    """The data loaders that a type of stage reads."""
    return LOADERS_READ.get(stage.type, ())


def _missing_in(cfg: Mapping[str, Any], parts: Sequence[str]) -> Iterator[str]:
    for part in parts:
        loader = cfg.get(f'{part}_dataloader') or {}
        for place, path in _entries(loader, ('data_root',)):
            if _is_absent(path):
                yield f'there is no data_root {path} ({part}_dataloader.{place})'
    model = cfg.get('model') or {}
    for place, path in _entries(model, _WEIGHTS):
        # Self-training takes all weights of its network from one checkpoint.
        unread = (
            model.get('checkpoint')
            and place.startswith('segmentor.')
            and place.endswith('.pretrained')
        )
        if 'train' in parts and not unread and _is_absent(path):
            yield f'there is no file {path} (model.{place})'
    if 'train' in parts and _is_absent(cfg.get('load_from')):
        yield f'there is no file {cfg["load_from"]} (load_from)'


def _entries(
    value: Any, keys: Sequence[str], where: str = ''
) -> Iterator[tuple[str, Any]]:
    """``(place, value)`` of all entries under one of the keys."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            place = f'{where}.{key}' if where else str(key)
            if key in keys:
                yield place, item
            yield from _entries(item, keys, place)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _entries(item, keys, f'{where}.{i}')


def _is_absent(path: Any) -> bool:
    """A path of this machine where nothing is; what earlier stages give, is to come."""
    return (
        isinstance(path, str)
        and path != ''
        and '://' not in path
        and not any(find_needs(path))
        and not os.path.exists(path)
    )
