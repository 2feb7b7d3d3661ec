# Licensed under Apache-2.0.
from __future__ import annotations

import logging
from collections import defaultdict
from typing import Any

from mmengine.hooks import Hook

from mmwsss.registry import HOOKS

#: a share of foreground that four digits show as nothing
_NOTHING = 0.00005
_SHARES = ('label_fg', 'label_bg', 'label_ignore')


@HOOKS.register_module()
class LabelStatsHook(Hook):
    """Watch the shares of the pseudo labels and say when they collapse.

    The model returns ``label_fg``, ``label_bg`` and ``label_ignore`` (shares of
    foreground, background and ignored pixels, they sum to 1) beside its losses. Their
    means over ``interval`` iterations are logged, with the number of classes whose
    images were seen; a mean outside the bounds gives a warning in plain words, and so
    do labels that held no foreground up to the end of the run.

    Args:
        interval: Iterations per window.
        min_fg: Warn where less than this share of the *labelled* pixels is foreground.
        max_fg: Warn where more than this share of the labelled pixels is foreground.
        max_ignore: Warn where more than this share of all pixels is ignored.
        max_warnings: Warnings per kind, then silence.
    """

    priority = 'NORMAL'  # before LoggerHook, which reads the message hub

    def __init__(
        self,
        interval: int = 50,
        min_fg: float = 0.01,
        max_fg: float = 0.9,
        max_ignore: float = 0.9,
        max_warnings: int = 5,
    ) -> None:
        if interval < 1:
            raise ValueError(f'interval={interval}: must be at least 1')
        self.interval = interval
        self.bounds = dict(min_fg=min_fg, max_fg=max_fg, max_ignore=max_ignore)
        self.max_warnings = max_warnings
        self._warned: dict[str, int] = defaultdict(int)
        self._empty = 0  # iterations without foreground up to now, in a row
        self._reset()

    def _reset(self) -> None:
        self._sums = dict.fromkeys(_SHARES, 0.0)
        self._count = 0
        self._classes: set[int] = set()

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Add one iteration; report at the end of each window."""
        self._see_classes(data_batch)
        if outputs and 'label_fg' in outputs:
            for name in _SHARES:
                self._sums[name] = self._sums[name] + outputs[name]
            self._count += 1
        if not self.every_n_train_iters(runner, self.interval):
            return
        runner.message_hub.update_scalar('train/classes_seen', len(self._classes))
        if self._count:
            mean = self._close_window()
            self._judge(runner, mean)
        self._reset()

    def after_train(self, runner: Any) -> None:
        """Say where the last labels of the run held no foreground at all."""
        if self._count:
            self._close_window()
            self._reset()
        if self._empty:
            runner.logger.log(
                logging.WARNING,
                f'The pseudo labels of the last {self._empty} iterations held no '
                'foreground (label_fg 0.0000): they collapsed to background, and so '
                'will the masks. Lower low_thr/high_thr (in self-training bkg_thr), '
                'train longer before the segmentation loss begins, or check the image '
                'labels and the CAM panels.',
            )

    def _close_window(self) -> dict[str, float]:
        """The mean shares of the window; windows without foreground are counted."""
        mean = {k: float(v) / self._count for k, v in self._sums.items()}
        empty = mean['label_fg'] < _NOTHING
        self._empty = self._empty + self._count if empty else 0
        return mean

    def _see_classes(self, data_batch: Any) -> None:
        samples = (
            data_batch.get('data_samples', ()) if isinstance(data_batch, dict) else ()
        )
        for sample in samples or ():
            self._classes.update(getattr(sample, 'gt_labels', ()))

    def _judge(self, runner: Any, mean: dict[str, float]) -> None:
        for kind, text in collapse_messages(mean, **self.bounds).items():
            self._warned[kind] += 1
            if self._warned[kind] <= self.max_warnings:
                last = (
                    ' (not repeated further)'
                    if self._warned[kind] == self.max_warnings
                    else ''
                )
                runner.logger.log(
                    logging.WARNING,
                    f'Pseudo labels at iteration {runner.iter + 1}: {text}{last}',
                )


def collapse_messages(
    mean: dict[str, float], min_fg: float, max_fg: float, max_ignore: float
) -> dict[str, str]:
    """What is wrong with the mean label shares of a window, if anything.

    Args:
        mean: ``label_fg``, ``label_bg``, ``label_ignore`` in [0, 1].
        min_fg: Smallest healthy share of foreground among labelled pixels.
        max_fg: Largest healthy share of foreground among labelled pixels.
        max_ignore: Largest healthy share of ignored pixels.

    Returns:
        Sentence per kind of trouble: ``'empty'``, ``'full'``, ``'ignored'``.
    """
    foreground, background = mean['label_fg'], mean['label_bg']
    share = foreground / max(foreground + background, 1e-12)
    found = {}
    if mean['label_ignore'] > max_ignore:
        found['ignored'] = (
            f'{mean["label_ignore"]:.1%} of the pixels are ignored, so almost nothing '
            'is taught. Lower high_thr or raise low_thr.'
        )
    elif share < min_fg:
        found['empty'] = (
            f'only {share:.2%} of the labelled pixels are foreground: the labels '
            'collapse to background. Lower low_thr/high_thr (in self-training '
            'bkg_thr), start the segmentation loss later, or check the image labels.'
        )
    elif share > max_fg:
        found['full'] = (
            f'{share:.1%} of the labelled pixels are foreground: the CAM covers whole '
            'images. Raise low_thr/high_thr (in self-training bkg_thr), or look at the '
            'CAM panels.'
        )
    return found
