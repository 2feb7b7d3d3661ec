# Licensed under Apache-2.0.
"""What a run says of its data and of its beginning, once: tables and warnings."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from torch import nn

from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.errors import UserError
from mmwsss.io.known_labels import unlabelled
from mmwsss.registry import DATASETS

#: the table of a training, in the work dir
SUMMARY_FILE = 'data_summary.txt'
_CANT_COMPARE = (ValueError, OSError, KeyError, TypeError)


def data_sets_in(dataset: Any) -> Iterator[Any]:
    """The data sets inside of wrappers that can be summarised."""
    if hasattr(dataset, 'summary'):
        yield dataset
    elif hasattr(dataset, 'datasets'):
        for part in dataset.datasets:
            yield from data_sets_in(part)
    elif hasattr(dataset, 'dataset'):
        yield from data_sets_in(dataset.dataset)


def data_of(loop: Any) -> Any:
    """The data set of a loop that is built; ``None`` for others."""
    return getattr(getattr(loop, 'dataloader', None), 'dataset', None)


def refuse_unknown_labels(runner: Any, model: nn.Module) -> None:
    """Refuse pictures without known labels where predictions read image labels.

    Raises:
        UserError: naming the data set, how many there are, and the way out.
    """
    if (getattr(model, 'test_cfg', None) or {}).get('cam_filter') != 'gt':
        return
    for name, loop in (('val', runner._val_loop), ('test', runner._test_loop)):
        for dataset in data_sets_in(data_of(loop)):
            count = len(unlabelled(dataset))
            if count:
                raise UserError(
                    f"test_cfg.cam_filter='gt' reads image labels, and {count} of "
                    f'{len(dataset)} pictures of the {name} data set '
                    f'({dataset.ann_file}) have none that are known. Label them (those '
                    "without an object by the label 'background'), or set model."
                    "test_cfg.cam_filter='pred'."
                )


def report_training(runner: Any, model: nn.Module, more: Sequence[str] = ()) -> None:
    """Log the table of the training data and what may ruin the run; write the table.

    Args:
        runner: before its first iteration.
        model: without a wrapper.
        more: further warnings.
    """
    if not is_main_process():
        return
    parts = list(data_sets_in(data_of(runner._train_loop)))
    summaries = [part.summary() for part in parts]
    texts = [
        f'Training data {part.ann_file}: {found.table()}'
        for part, found in zip(parts, summaries)
    ]
    texts += [found.partial.line() for found in summaries if found.partial]
    rare = not cares_for_rare(runner, model)
    warnings = [*more, *(text for found in summaries for text in found.warnings(rare))]
    trained = frozenset().union(*(found.paths for found in summaries))
    warnings += _shared(trained, data_of(runner._val_loop), 'validation')
    warnings += late_losses(model, runner.max_iters)
    for text in texts:
        runner.logger.info(text)
    for text in warnings:
        runner.logger.log(logging.WARNING, text)
    if texts:
        lines = [*texts, *(f'warning: {text}' for text in warnings)]
        data = '\n'.join(lines) + '\n'
        write_atomic(data.encode(), Path(runner.work_dir) / SUMMARY_FILE)
    report_backbone(runner, model)


def cares_for_rare(runner: Any, model: nn.Module) -> bool:
    """Whether a run draws pictures of rare classes more often, or weighs classes."""
    loader = getattr(runner._train_loop, 'dataloader', None)
    sampler = getattr(loader, 'sampler', None)
    weighs = (getattr(module, 'pos_weight', None) for module in model.modules())
    return getattr(sampler, 'ends', None) is not None or any(
        weight is not None for weight in weighs
    )


def report_test(runner: Any) -> None:
    """Log a line on the test data, and whether its pictures were trained on."""
    if not is_main_process():
        return
    dataset = data_of(runner._test_loop)
    for part in data_sets_in(dataset):
        runner.logger.info(f'Test data {part.ann_file}: {part.summary().headline()}')
    for text in _shared(_trained_paths(runner), dataset, 'test'):
        runner.logger.log(logging.WARNING, text)


def _trained_paths(runner: Any) -> frozenset[str]:
    """Pictures of the config's training data; none where it can't be opened here."""
    loader = runner.cfg.get('train_dataloader') or {}
    cfg = dict(loader.get('dataset') or {})
    if not hasattr(DATASETS.get(str(cfg.get('type'))), 'summary'):
        return frozenset()
    dropped = ('side_inputs', 'sal_dir', 'sal_suffix', 'fused_dir', 'mask_dir')
    cfg = {key: value for key, value in cfg.items() if key not in dropped}
    try:
        data = DATASETS.build({**cfg, 'pipeline': [], 'with_masks': False})
        return data.summary(look=False).paths
    except _CANT_COMPARE as err:
        runner.logger.info(
            f'The test pictures are not compared with those of the training ({err})'
        )
        return frozenset()


def _shared(trained: frozenset[str], dataset: Any, kind: str) -> list[str]:
    """A warning for each data set whose pictures were trained on."""
    found = []
    for part in data_sets_in(dataset) if trained else ():
        paths = part.summary(look=False).paths
        count = len(paths & trained)
        if count:
            found.append(
                f'{count} of {len(paths)} {kind} pictures are training pictures '
                f'(first: {min(paths & trained)}): their scores say nothing of other '
                'pictures.'
            )
    return found


def late_losses(model: nn.Module, max_iters: int) -> list[str]:
    """A warning for each loss term that begins after the end of the run."""
    found: Mapping[str, int] = {}
    for module in model.modules():
        schedule = getattr(getattr(module, 'terms', None), 'schedule', None)
        if schedule is not None and hasattr(schedule, 'begins_from'):
            found = {**found, **schedule.begins_from(max_iters)}
    return [
        f'the loss {term!r} begins at iteration {begin}, and the run ends at '
        f'{max_iters}: what it alone trains stays as it was initialised, and scores of '
        f'it mean nothing. Lower train_cfg.weights.{term}, or train longer.'
        for term, begin in found.items()
    ]


def report_backbone(runner: Any, model: nn.Module) -> None:
    """Say where the weights of the backbone come from, or warn that it has none."""
    if getattr(runner, '_resume', False) or getattr(runner, '_load_from', None):
        return  # mmengine's log names that file
    while not hasattr(model, 'backbone') and hasattr(model, 'segmentor'):
        model = model.segmentor
    backbone = getattr(model, 'backbone', None)
    if backbone is None:
        return
    init = getattr(backbone, 'init_cfg', None)
    init = init if isinstance(init, Mapping) else {}
    source = getattr(backbone, 'pretrained', None) or init.get('checkpoint')
    kind = type(backbone).__name__
    if source:
        count = len(backbone.state_dict())
        runner.logger.info(f'Backbone {kind}: {count} tensors from {source}')
    else:
        runner.logger.log(
            logging.WARNING,
            f'Backbone {kind}: starts at random, no weights were given. Class maps '
            'need a pretrained one: set model.backbone.pretrained, or load_from.',
        )
