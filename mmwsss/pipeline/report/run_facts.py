# Licensed under Apache-2.0.
"""What was trained on what, as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config

from mmwsss.cli.inference_options import segmentor_cfg

from ..fingerprint import differences, plain
from .run_folder import RunFolder


@dataclass(frozen=True)
class FactRow:
    """One line of a table.

    Attributes:
        name: what it is.
        values: of each run.
        differs: whether they are not all the same.
    """

    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether the runs have different values."""
        return len(set(self.values)) > 1


def fact_rows(runs: Sequence[RunFolder]) -> list[FactRow]:
    """What each run is: method, network, data, schedule; empty rows are left out."""
    facts = [facts_of(run) for run in runs]
    names = list(dict.fromkeys(name for one in facts for name in one))
    rows = [FactRow(name, tuple(one.get(name, '') for one in facts)) for name in names]
    return [row for row in rows if any(row.values)]


def facts_of(run: RunFolder) -> dict[str, str]:
    """Name → value for one run."""
    cfg = run.config or Config()
    network = segmentor_cfg(cfg)
    backbone = network.get('backbone') or {}
    loader = cfg.get('train_dataloader') or {}
    optimizer = (cfg.get('optim_wrapper') or {}).get('optimizer') or {}
    return {
        'method': _method(cfg),
        'network': _network(backbone),
        'begins with': str(backbone.get('pretrained') or cfg.get('load_from') or ''),
        'data': _data(loader.get('dataset') or {}),
        'learns from': _supervision(loader.get('dataset') or {}),
        'iterations': progress(run),
        'pictures an iteration': str(loader.get('batch_size', '')),
        'optimizer': _optimizer(optimizer),
        'seed': str((cfg.get('randomness') or {}).get('seed', '')),
        'time': _time(run.minutes),
        'checkpoint': str(run.checkpoint or 'none'),
        'folder': str(run.path),
    }


def progress(run: RunFolder) -> str:
    """How far a training has come, in words."""
    if not run.scalars.train and not run.done:
        return 'none logged'
    if run.planned is None:
        return f'{run.done}'
    if run.done < run.planned:
        return f'{run.done} of {run.planned}: interrupted, or still running'
    return f'{run.done} of {run.planned}'


def setting_differences(runs: Sequence[RunFolder]) -> list[str]:
    """Settings in which the second run differs from the first, in words."""
    configs = [run.config for run in runs if run.config is not None]
    if len(configs) < 2:
        return []
    first, second = (plain(_compared(cfg)) for cfg in configs[:2])
    return differences(first, second)


def _compared(cfg: Config) -> dict[str, Any]:
    """Without entries that only name or repeat others."""
    repeated = ('work_dir', 'launcher', 'train_pipeline', 'test_pipeline', 'resume')
    return {k: v for k, v in cfg.to_dict().items() if k not in repeated}


def _method(cfg: Config) -> str:
    names, model = [], cfg.get('model') or {}
    while model:
        names.append(str(model.get('type', '')).rpartition('.')[2])
        model = model.get('segmentor') or {}
    return ' of '.join(filter(None, names))


def _network(backbone: Mapping[str, Any]) -> str:
    arch = backbone.get('arch', backbone.get('depth', ''))
    if isinstance(arch, Mapping):
        arch = ', '.join(f'{key} {value}' for key, value in arch.items())
    return f'{backbone.get("type", "")} {arch}'.strip()


def _data(dataset: Mapping[str, Any]) -> str:
    """Kind, folder, list."""
    parts = [str(dataset.get('type', ''))]
    for key in ('data_root', 'split', 'ann_file', 'split_file'):
        if dataset.get(key):
            parts.append(f'{key.replace("_", " ")} {dataset[key]}')
    return ', '.join(filter(None, parts))


def _supervision(dataset: Mapping[str, Any]) -> str:
    """Which labels are trained on."""
    if not dataset:
        return ''
    sides = {k: v for k, v in (dataset.get('side_inputs') or {}).items() if v}
    steps = [str(s.get('type')).rpartition('.')[2] for s in dataset.get('pipeline', ())]
    masks = {'LoadMask', 'LoadAnnotations'} & set(steps)
    if 'mask' in sides or dataset.get('mask_dir'):
        where = (sides.get('mask') or {}).get('dir') or dataset.get('mask_dir')
        return f'pseudo masks in {where}'
    if masks:
        return 'true masks (fully supervised)'
    others = f' and {", ".join(sides)}' if sides else ''
    return f'image labels{others}'


def _optimizer(optimizer: Mapping[str, Any]) -> str:
    if not optimizer:
        return ''
    return f'{optimizer.get("type")}, learning rate {optimizer.get("lr", "")}'


def _time(minutes: float) -> str:
    return f'{minutes:.0f} minutes' if minutes >= 1 else ''
