# Licensed under Apache-2.0.
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import nn

from mmwsss.engine.batch_of_one import refuse_batch_of_one
from mmwsss.io.errors import UserError
from mmwsss.io.published import (
    compare_classes,
    dropped_parts,
    dropped_patterns,
    mark_absent,
    saved_classes,
)
from mmwsss.io.weights import FIX, CheckpointMismatch, compare_weights
from mmwsss.registry import HOOKS

from .class_weights import tell_class_counts
from .data_report import refuse_unknown_labels, report_test, report_training
from .partial_use import check_partial

_RESUME_KEYS = ('meta', 'message_hub', 'optimizer')


@HOOKS.register_module()
class SetupCheckHook(Hook):
    """Refuse contradictory settings before the first iteration.

    * ``model.num_classes`` against the classes of every data set of the run;
    * image labels that ``cam_filter='gt'`` reads must be known, of every picture;
    * ``test_cfg.use_teacher`` against the networks that the model has;
    * every checkpoint that the runner loads against the model, in keys and shapes
      (mmengine loads a file in which no key matches without an error);
    * a resumed file must hold a training state;
    * a published file may lack what it says was left out of it, in tests only;
    * the classes that earlier stages' checkpoints were trained with.

    * pictures whose labels nobody knows where ``test_cfg.cam_filter='gt'`` reads them;
    * a loss term ``partial`` without the side input that it learns from.

    The data of a training are summed up in the log and in ``data_summary.txt`` of the
    work dir, with warnings for what ruins it; those of a test get a line. A resumed run
    that has nothing left to do says so. How many iterations share an
    optimiser step is left in the message hub, where moving averages look for it.

    Args:
        allow_missing: Regular expressions of model keys that a checkpoint may lack.
        allow_unexpected: Regular expressions of checkpoint keys that the model may
            lack.
    """

    priority = 'HIGHEST'

    def __init__(
        self, allow_missing: Sequence[str] = (), allow_unexpected: Sequence[str] = ()
    ) -> None:
        self.allow_missing = tuple(allow_missing)
        self.allow_unexpected = tuple(allow_unexpected)

    def before_run(self, runner: Any) -> None:
        """Compare class counts; a teacher that predicts must be there.

        Raises:
            LabelError: Image labels are to be read that aren't known.
            UserError: They disagree; names the data set, both counts and the fix.
        """
        model = _bare(runner.model)
        _need_teacher(model)
        tell_metainfo(model, runner)
        refuse_unknown_labels(runner, model)
        expected = getattr(model, 'num_classes', None)
        if expected is None:
            return
        for name, loop in (
            ('train', runner._train_loop),
            ('val', runner._val_loop),
            ('test', runner._test_loop),
        ):
            dataset = getattr(getattr(loop, 'dataloader', None), 'dataset', None)
            classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
            if classes is not None and len(classes) != expected:
                raise UserError(_class_message(name, dataset, classes, expected))

    def before_train(self, runner: Any) -> None:
        """Compare class names with earlier stages'; tell if all iterations are done.

        Raises:
            CheckpointMismatch: They are others, or in another order.
            UserError: Batch norm would meet a batch of one value; a loss waits for
                counts of image labels, and there are none; or a loss learns from
                partial labels, and there are none.
        """
        for module in _bare(runner.model).modules():
            classes = getattr(module, 'saved_classes', None)
            if classes is not None:
                _compare_class_names(classes, runner, str(module.checkpoint))
        refuse_batch_of_one(_bare(runner.model), runner)
        every = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        runner.message_hub.update_info('accumulative_counts', every, resumed=False)
        tell_class_counts(runner, _bare(runner.model))
        unused = check_partial(runner, _bare(runner.model))
        report_training(runner, _bare(runner.model), unused)
        if runner.iter >= runner.max_iters:
            runner.logger.info(
                f'All {runner.max_iters} iterations are done already: nothing is '
                'trained. To train longer, begin a new run from the weights '
                '(load_from=FILE, without --resume).'
            )

    def before_test(self, runner: Any) -> None:
        """Say what is tested on."""
        report_test(runner)

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Compare the loaded weights with the model.

        Raises:
            CheckpointMismatch: Keys or shapes differ, or the file can't be resumed.
        """
        source = str(getattr(runner, '_load_from', None) or 'the checkpoint')
        if runner._resume:
            source = (
                f'the resumed checkpoint ({source})'
                if runner._load_from
                else 'the resumed checkpoint'
            )
            lacking = [k for k in _RESUME_KEYS if k not in checkpoint]
            if lacking and not dropped_parts(checkpoint):
                raise CheckpointMismatch(
                    f'{source} holds no training state (lacks {lacking}): it is a file '
                    'of weights. Start from it with --cfg-options load_from=FILE, '
                    'without --resume.'
                )
            _compare_length(checkpoint, runner, source)
        _compare_class_names(saved_classes(checkpoint), runner, source)
        absent = self._absent_parts(runner, checkpoint, source)
        compare_weights(
            _bare(runner.model),
            checkpoint.get('state_dict', checkpoint),
            source,
            (*self.allow_missing, *absent),
            self.allow_unexpected,
            f'{FIX}, or name keys that may differ in SetupCheckHook('
            'allow_missing=[...], allow_unexpected=[...])',
        )

    def _absent_parts(
        self, runner: Any, checkpoint: dict, source: str
    ) -> tuple[str, ...]:
        """Regular expressions of what a published file lacks; none but in a test.

        Raises:
            CheckpointMismatch: Training would go on from such a file.
            UserError: The file lacks the teacher that is to predict.
        """
        parts = dropped_parts(checkpoint)
        if not parts:
            return ()
        if hasattr(runner._train_loop, 'run'):
            covered = all(_covered(part, self.allow_missing) for part in parts)
            if covered and not runner._resume:
                return ()
            raise CheckpointMismatch(
                f'{source} is a published file, made to predict: {", ".join(parts)}, '
                'which only training reads, and the state of the training were left '
                "out on purpose. Go on from the run's own iter_N.pth. To begin a new "
                'run from these weights, with those parts initialised anew: '
                'load_from=FILE without --resume, and SetupCheckHook('
                f'allow_missing={[f"^{part}" for part in parts]}) in custom_hooks.'
            )
        runner.logger.info(
            f'{source} is a published file without {", ".join(parts)}: only training '
            'reads these.'
        )
        model = _bare(runner.model)
        mark_absent(model, parts)
        _need_teacher(model)
        return dropped_patterns(checkpoint)


def _covered(part: str, patterns: Sequence[str]) -> bool:
    """Whether the keys of a part may be missing anyway."""
    return any(re.search(pattern, f'{part}.') for pattern in patterns)


def _need_teacher(model: nn.Module) -> None:
    """A teacher that is to predict must be there.

    Raises:
        UserError: It isn't.
    """
    wants = (getattr(model, 'test_cfg', None) or {}).get('use_teacher')
    if wants and hasattr(model, 'teacher_network'):
        model.teacher_network()


def _compare_length(checkpoint: dict, runner: Any, source: str) -> None:
    """Refuse to resume with another length: the rates would be those of neither."""
    hub = checkpoint.get('message_hub') or {}
    known = hub.get('runtime_info', {}).get('max_iters')
    if known is not None and known != runner.max_iters:
        raise UserError(
            f'{source} is of a run of {known} iterations, and train_cfg.max_iters is '
            f'{runner.max_iters}: a resumed run keeps the schedule that it was started '
            'with. Give it the same --cfg-options, or begin a new run from its weights '
            '(--cfg-options load_from=FILE, without --resume).'
        )


def _compare_class_names(saved: Sequence[str] | None, runner: Any, source: str) -> None:
    """Refuse a file whose classes have other names, or the same in another order."""
    for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
        dataset = getattr(getattr(loop, 'dataloader', None), 'dataset', None)
        classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
        compare_classes(saved, classes, source)


def tell_metainfo(model: nn.Module, runner: Any) -> None:
    """Tell a model what the first data set of the run says of its classes."""
    for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
        dataset = getattr(getattr(loop, 'dataloader', None), 'dataset', None)
        metainfo = getattr(dataset, 'metainfo', None)
        if metainfo and hasattr(model, 'use_metainfo'):
            model.use_metainfo(metainfo)
            return


def _bare(model: nn.Module) -> nn.Module:
    return model.module if is_model_wrapper(model) else model


def _class_message(
    name: str, dataset: Any, classes: Sequence[str], expected: int
) -> str:
    shown = ', '.join(map(str, classes[:6])) + (', ...' if len(classes) > 6 else '')
    return (
        f'The {name} data set ({type(dataset).__name__}) has {len(classes)} classes '
        f'({shown}; background included), the model has num_classes={expected}. Set '
        f'num_classes={len(classes)} in the model config, or metainfo=dict(classes='
        "('background', ...)) of the data set to the model's classes."
    )
