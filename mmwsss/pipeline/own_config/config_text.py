# Licensed under Apache-2.0.
"""The text of a config for a folder, made from facts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmwsss.datasets.own.layout import LABELS, list_file

from .code_text import Name, assignment
from .fit_run import fit_crop, validation_interval
from .fitted_pipeline import crop_of, fit_pipeline
from .scaled_settings import changed, scale_lengths, scale_schedules


@dataclass(frozen=True)
class FolderFacts:
    """What a config needs to know of a folder.

    Attributes:
        root: of the data set.
        classes: background first.
        palette: a colour a class.
        counts: split → pictures.
        scored: splits with masks.
        size: (H, W), median of the pictures.
        picture: entries of ``picture=dict(...)``.
        mean, std: of each band on 0..255 where they aren't three, else empty.
        remarks: what the user should choose by himself.
    """

    root: str
    classes: tuple[str, ...]
    palette: Sequence[Sequence[int]]
    counts: Mapping[str, int]
    scored: Sequence[str]
    size: tuple[int, int]
    picture: Mapping[str, Any] = field(default_factory=dict)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def bands(self) -> int:
        """That the network gets."""
        return len(self.mean) or 3


@dataclass(frozen=True)
class Choice:
    """What the user chose.

    Attributes:
        base: how the config names the one that it stands on.
        iterations: of the run.
        batch: pictures an iteration.
        backbone: settings that replace those of the base's backbone.
        pseudo_masks: folder of masks that are trained on, for a segmenter.
        remark: a line above the config.
    """

    base: str
    iterations: int
    batch: int
    backbone: Mapping[str, Any] = field(default_factory=dict)
    pseudo_masks: str | None = None
    remark: str = ''


def config_text(facts: FolderFacts, choice: Choice, base: Mapping[str, Any]) -> str:
    """The config.

    Args:
        facts: of the folder.
        choice: of the user.
        base: the config that it stands on, merged, as plain data.

    Returns:
        Python text that mmengine reads.
    """
    steps = base['train_dataloader']['dataset']['pipeline']
    usual = crop_of(steps) or 224
    crop, long_side = fit_crop(facts.size, usual, base.get('least_crop'))
    fitted = fit_pipeline(steps, crop, usual, long_side, facts.bands)
    own = fitted != fit_pipeline(steps, usual, usual, None)
    model = _model(facts, choice, base, crop / usual, long_side)
    parts = [
        _comment(facts, choice, crop, long_side),
        assignment('_base_', [choice.base]),
        _data(facts),
        assignment('model', model),
        assignment('train_pipeline', fitted) if own else '',
        _loaders(facts, choice, base, own, long_side),
        _schedule(facts, choice, base),
    ]
    return '\n'.join(filter(None, parts))


def _comment(
    facts: FolderFacts, choice: Choice, crop: int, long_side: int | None
) -> str:
    """What the config was made for."""
    counts = ', '.join(f'{split} {count}' for split, count in facts.counts.items())
    lines = [
        *([choice.remark] if choice.remark else []),
        f'pictures: {counts}; {facts.size[1]} x {facts.size[0]} pixels (width x '
        'height, median)',
        *([f'resized to a long side of {long_side} pixels'] if long_side else []),
        f'{choice.iterations} iterations of {choice.batch} crops of {crop} pixels',
    ]
    return ''.join(f'# {line}\n' for line in lines)


def _data(facts: FolderFacts) -> str:
    """Classes, and what all data sets share."""
    palette = [tuple(int(v) for v in colour) for colour in facts.palette]
    data: dict[str, Any] = dict(
        data_root=facts.root,
        ann_file=LABELS,
        metainfo=dict(classes=Name('classes'), palette=palette),
    )
    if facts.picture:
        data['picture'] = dict(facts.picture)
    return assignment('classes', facts.classes) + assignment('data', data)


def _model(
    facts: FolderFacts,
    choice: Choice,
    base: Mapping[str, Any],
    shrunk: float,
    long_side: int | None,
) -> dict[str, Any]:
    """What differs from the base's model."""
    old = base['model']
    new = scale_lengths(old, shrunk) if shrunk != 1 else dict(old)
    factor = choice.iterations / base['train_cfg']['max_iters']
    new = scale_schedules(new, factor)
    if 'num_classes' in old:
        new['num_classes'] = len(facts.classes)
    else:  # mmseg's
        new['decode_head'] = {**new['decode_head'], 'num_classes': len(facts.classes)}
    if facts.mean:
        normal = dict(mean=list(facts.mean), std=list(facts.std))
        new['data_preprocessor'] = {**old['data_preprocessor'], **normal}
        new['backbone'] = {**new['backbone'], 'in_channels': facts.bands}
    new['backbone'] = {**new['backbone'], **choice.backbone}
    test = old.get('test_cfg', {})
    if long_side and 'outputs' in test and not test.get('input', {}).get('squash'):
        new['test_cfg'] = {**new['test_cfg'], 'input': dict(long_side=long_side)}
    return changed(old, new)


def _loaders(
    facts: FolderFacts,
    choice: Choice,
    base: Mapping[str, Any],
    own_pipeline: bool,
    long_side: int | None,
) -> str:
    """Training; validation where masks are; a test."""
    train: dict[str, Any] = {
        '**data': Name('data'),
        'split_file': list_file('train'),
    }
    if own_pipeline:
        train['pipeline'] = Name('train_pipeline')
    if choice.pseudo_masks is not None:
        train['side_inputs'] = dict(mask=dict(dir=choice.pseudo_masks))
    loader: dict[str, Any] = dict(dataset=train)
    if choice.batch != base['train_dataloader']['batch_size']:
        loader = dict(batch_size=choice.batch, **loader)
    text = assignment('train_dataloader', loader)
    pipeline = _test_pipeline(base, long_side)
    scored = [split for split in ('val', 'test') if split in facts.scored]
    if not scored:
        text += '# Without masks there is nothing to validate by.\n'
        text += 'val_dataloader = val_evaluator = val_cfg = None\n'
    else:
        val = _test_set(scored[0], pipeline)
        text += assignment('val_dataloader', val)
    if len(scored) == 1:
        return text + 'test_dataloader = val_dataloader\n'
    return text + assignment(
        'test_dataloader', _test_set(scored[1] if scored else 'train', pipeline)
    )


def _test_set(split: str, pipeline: list | None) -> dict[str, Any]:
    """A data loader of a split that is tested on."""
    found: dict[str, Any] = {'**data': Name('data'), 'split_file': list_file(split)}
    return dict(dataset=found if pipeline is None else {**found, 'pipeline': pipeline})


def _test_pipeline(base: Mapping[str, Any], long_side: int | None) -> list | None:
    """With a resize, for segmenters that have no such setting of their own."""
    if long_side is None or 'outputs' in base['model'].get('test_cfg', {}):
        return None
    steps = list(base['test_dataloader']['dataset']['pipeline'])
    resize = dict(type='PILResizeLongSide', side_range=(long_side, long_side))
    return [steps[0], resize, *steps[1:]]


def _schedule(facts: FolderFacts, choice: Choice, base: Mapping[str, Any]) -> str:
    """Length, rates, and how often something is written."""
    iterations = choice.iterations
    interval = validation_interval(iterations)
    length: dict[str, Any] = dict(max_iters=iterations)
    if facts.scored:
        length['val_interval'] = interval
    factor = iterations / base['train_cfg']['max_iters']
    rates = scale_schedules(list(base['param_scheduler']), factor)
    hooks: dict[str, Any] = dict(checkpoint=dict(interval=interval))
    usual = base['default_hooks']['logger']['interval']
    if iterations < 10 * usual:
        hooks = dict(logger=dict(interval=max(iterations // 10, 1)), **hooks)
    text = assignment('train_cfg', length)
    if rates != base['param_scheduler']:
        text += assignment('param_scheduler', rates)
    text += assignment('default_hooks', hooks)
    shown = [_panels(hook, interval, iterations) for hook in base['custom_hooks']]
    if shown != base['custom_hooks']:
        text += assignment('custom_hooks', shown)
    return text


def _panels(hook: Mapping[str, Any], interval: int, iterations: int) -> dict[str, Any]:
    """A hook that would not come to work in a run so short works at its end."""
    late = isinstance(hook.get('interval'), int) and hook['interval'] > iterations
    return {**hook, 'interval': interval} if late else dict(hook)
