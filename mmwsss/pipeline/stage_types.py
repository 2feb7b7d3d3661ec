# Licensed under Apache-2.0.
"""What kinds of stages there are: one entry of :data:`STAGE_TYPES` each.

An entry says which tool a stage runs, which settings of the stage become which
arguments of the tool, and where the tool leaves what later stages may ask for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmwsss.cli.arguments import METRICS
from mmwsss.datasets.side_inputs.declaration import read_declarations
from mmwsss.pipeline.evaluate.evaluate_maps import parse_thresholds
from mmwsss.pipeline.generate.generate_cfg import SAVED, GenerateCfg
from mmwsss.pipeline.label_options import (
    build_labeler,
    read_labeler,
    read_segments_entry,
)
from mmwsss.registry import LABELERS

Finder = Callable[[Path], Path | None]
Metrics = dict[str, float]


@dataclass(frozen=True)
class StageType:
    """How a kind of stage becomes a command, and what it leaves.

    The command is ``python TOOL TAKES... OUT FOLDER --FLAG VALUE... [RESUME FILE]``.

    Attributes:
        tool: the script, from the root of the project.
        takes: settings that are positional arguments, in their order; all are
            required. ``config`` is given as the resolved config of the stage.
        flags: settings ``some_key`` that become ``--some-key VALUE ...``; ``True``
            gives the bare option. With ``config`` here the stage may have one.
        neutral: flags that change no result, and so may change between two runs.
        joined: flags whose list is one value with commas.
        choices: values that a flag may have.
        selects: the flag that lists which of ``yields`` are written, if there is one.
        out: the option that names the output.
        out_file: name of that output inside the stage's ``run`` folder; empty: the
            folder itself.
        resume: the option that names the checkpoint to go on from. Tools without it
            find by themselves what is done.
        distributed: started on several processes by ``--launcher pytorch``.
        yields: by name, how what is left is found in the ``run`` folder.
        metrics: reads the scores in the ``run`` folder.
        check: refuses settings that the tool would refuse (``ValueError``), before an
            earlier stage has worked for hours.
    """

    tool: str
    takes: tuple[str, ...] = ('config',)
    flags: tuple[str, ...] = ()
    neutral: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    selects: str = ''
    out: str = '--work-dir'
    out_file: str = ''
    resume: str = ''
    distributed: bool = True
    yields: Mapping[str, Finder] = field(default_factory=dict)
    metrics: Callable[[Path], Metrics] = lambda run: {}
    check: Callable[[Mapping[str, Any]], object] = lambda values: None

    @property
    def has_config(self) -> bool:
        """Whether a stage of this type may have a config."""
        return 'config' in (*self.takes, *self.flags)

    @property
    def keys(self) -> tuple[str, ...]:
        """Settings that a stage of this type may have, besides the common ones."""
        return tuple(key for key in (*self.takes, *self.flags) if key != 'config')


def entry(name: str = '') -> Finder:
    """Finds a file or folder of that name; ``''`` is the ``run`` folder itself."""
    return lambda run: run / name if (run / name).exists() else None


def last_checkpoint(run: Path) -> Path | None:
    """The checkpoint that ``last_checkpoint`` points at, wherever ``run`` lies now."""
    pointer = run / 'last_checkpoint'
    if not pointer.is_file():
        return None
    checkpoint = run / Path(pointer.read_text().strip()).name
    return checkpoint if checkpoint.exists() else None


def best_checkpoint(run: Path) -> Path | None:
    """The newest ``best_*.pth`` that the checkpoint hook's ``save_best`` left."""
    found = sorted(run.glob('best_*.pth'), key=lambda file: file.stat().st_mtime_ns)
    return found[-1] if found else None


def validation_metrics(run: Path) -> Metrics:
    """The scores of the last validation during training."""
    scores: Metrics = {}
    for file in sorted(run.glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            found = json.loads(line) if line.endswith('}') else {}  # cut by a kill
            if any(key.endswith('mIoU') for key in found):
                scores = numbers(found)
    return scores


def file_metrics(run: Path) -> Metrics:
    """The scores in ``metrics.json``, as ``eval_cam.py`` and ``test.py`` leave them."""
    file = run / METRICS
    return numbers(json.loads(file.read_text())) if file.is_file() else {}


def numbers(found: Mapping[str, object]) -> Metrics:
    """The numbers among the entries, rounded."""
    return {
        key: round(float(value), 4)
        for key, value in found.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def check_labeler(text: str) -> dict[str, Any] | None:
    """The labeler of a stage, checked by building it.

    Returns:
        Its config; ``None`` if it needs what an earlier stage will have made. Then
        only its name is checked.
    """
    cfg = read_labeler(text)
    if '{' not in text:
        build_labeler(cfg)
        return cfg
    if LABELERS.get(cfg['type']) is None:
        build_labeler(cfg)  # says which there are
    return None


def check_segments(text: str) -> None:
    """Refuse settings of segments that their kind doesn't know."""
    read_declarations(dict(segments=read_segments_entry(text)), None)


def check_generate(values: Mapping[str, Any]) -> None:
    """As the tool checks them once the network is there."""
    given = {
        key: values[key] for key in GenerateCfg.__dataclass_fields__ if key in values
    }
    if isinstance(given.get('save'), str):
        given['save'] = tuple(given['save'].split(','))
    if 'bkg_thr' in given:
        thresholds = given['bkg_thr']
        many = isinstance(thresholds, (list, tuple))
        given['bkg_thr'] = tuple(thresholds) if many else (thresholds,)
    for value in (*given.get('bkg_thr', ()), given.get('alpha', 0.0)):
        if not isinstance(value, (int, float)):
            raise ValueError(f'bkg_thr and alpha must be numbers, got {value!r}')
    if 'labeler' in given:
        given['labeler'] = check_labeler(given['labeler'])
    if values.get('segments'):
        check_segments(values['segments'])
    cfg = GenerateCfg(**given)
    if cfg.refine == 'rw' and not (values.get('affinity') or values.get('cams')):
        raise ValueError(
            "refine='rw' needs affinity=('CONFIG', 'CHECKPOINT') or, with "
            "an affinity network as config and checkpoint, cams='...'"
        )


def check_evaluate(values: Mapping[str, Any]) -> None:
    """As the tool checks them once the maps are there."""
    if 'thresholds' in values:
        parse_thresholds(str(values['thresholds']))
    if values.get('boundary') and values.get('kind') != 'mask':
        raise ValueError("boundary scores the contours of masks: give kind='mask'")
    if values.get('labeler'):
        check_labeler(values['labeler'])
    for key in ('crf', 'labeler'):
        if values.get(key) and 'ann_dir' in values and 'img_dir' not in values:
            raise ValueError(f"{key} needs the pictures: give img_dir='...'")


STAGE_TYPES: dict[str, StageType] = {
    'train': StageType(
        tool='tools/train.py',
        resume='--resume',
        yields=dict(checkpoint=last_checkpoint, best_checkpoint=best_checkpoint),
        metrics=validation_metrics,
    ),
    'generate': StageType(
        tool='tools/generate_pseudo_labels.py',
        takes=('config', 'checkpoint'),
        flags=(
            'refine',
            'split',
            'save',
            'source',
            'bkg_thr',
            'alpha',
            'preset',
            'unary',
            'num_classes',
            'labeler',
            'segments',
            'cam_filter',
            'stride',
            'dtype',
            'affinity',
            'cams',
            'batch_size',
            'workers',
        ),
        joined=('save',),
        neutral=('workers',),
        out='--out',
        selects='save',
        choices=dict(save=SAVED),
        yields=dict(dir=entry()) | {name: entry(name) for name in SAVED},
        check=check_generate,
    ),
    'evaluate': StageType(
        tool='tools/eval_cam.py',
        takes=('maps',),
        flags=(
            'kind',
            'config',
            'split',
            'ann_dir',
            'list',
            'img_dir',
            'num_classes',
            'thresholds',
            'erode',
            'boundary',
            'crf',
            'unary',
            'all_labels',
            'labeler',
            'workers',
        ),
        neutral=('workers',),
        out='--out',
        out_file=METRICS,
        distributed=False,
        yields=dict(metrics=entry(METRICS)),
        metrics=file_metrics,
        check=check_evaluate,
    ),
    'test': StageType(
        tool='tools/test.py',
        takes=('config', 'checkpoint'),
        flags=('tta',),
        metrics=file_metrics,
    ),
}
