# Licensed under Apache-2.0.
"""What a finished training says: its scores, its pictures, and what comes next."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.dist import master_only
from mmengine.runner import Runner

_TITLES = dict(
    seg='segmentation', cam='CAM', aux_cam='auxiliary CAM', lam='LAM',
    cam_lam='CAM x LAM', pseudo='pseudo label',
    cls='image labels',
)  # fmt: skip
_SHOWN = ('mIoU', 'mAP', 'F1', 'aAcc', 'mAcc')


def score_table(scores: Mapping[str, float], pictures: int) -> str:
    """The scores of a validation, a line each; empty where there is none of them.

    Args:
        scores: by name, percent; oracle scores, which read the truth, are left out.
        pictures: that were validated on.
    """
    rows = [
        (_title(name), value)
        for name, value in scores.items()
        if name.endswith(_SHOWN) and 'oracle' not in name
    ]
    if not rows:
        return ''
    head = f'last validation, {pictures} pictures'
    wide = max(len(head), *(len(title) for title, _ in rows))
    lines = [f'| {head:{wide}} |     % |', f'| {"-" * wide} | ----: |']
    return '\n'.join([*lines, *(f'| {title:{wide}} | {v:5.2f} |' for title, v in rows)])


def _title(name: str) -> str:
    part, _, score = name.rpartition('_')
    return f'{_TITLES.get(part, part)} {score}'.strip()


def next_commands(
    config: str, checkpoint: str, work_dir: str, tests: bool
) -> list[str]:
    """The command lines that use a checkpoint.

    Args:
        config: of the training.
        checkpoint: its last one.
        work_dir: where the training has written.
        tests: whether the config has a test data set.
    """
    lines = [
        f'python tools/analysis_tools/report.py {work_dir}  # one page to look at',
        f'python demo/image_demo.py PHOTOS {config} {checkpoint} --out-dir out',
    ]
    if tests:
        test = f'python tools/test.py {config} {checkpoint} --out masks'
        lines.insert(0, f'{test}  # scores and masks')
    return lines


@master_only
def say_finished(runner: Runner, config: str | None = None) -> None:
    """Log scores, pictures and the next command of a training that has ended.

    Args:
        runner: after ``train``.
        config: the file to name; ``None``: the one in the work dir, which holds the
            options of the command line too.
    """
    hub = runner.message_hub
    scores = {
        name.removeprefix('val/'): float(buffer.current())
        for name, buffer in hub.log_scalars.items()
        if name.startswith('val/') and len(buffer.data[0])
    }
    lines = [score_table(scores, _validated(runner))]
    pictures = Path(runner.log_dir) / 'vis_data' / 'vis_image'
    if pictures.is_dir():
        lines.append(f'pictures (photo, CAM, label, prediction): {_near(pictures)}')
    checkpoint = hub.get_info('last_ckpt') if 'last_ckpt' in hub.runtime_info else None
    if checkpoint:
        file = config or _dumped(runner)
        tests = bool(runner.cfg.get('test_dataloader'))
        folder = _near(runner.work_dir)
        commands = next_commands(file, _near(checkpoint), folder, tests)
        lines += ['next:', *(f'  {command}' for command in commands)]
    runner.logger.info('finished\n' + '\n'.join(filter(None, lines)))


def _dumped(runner: Runner) -> str:
    name = runner.cfg.filename or f'{runner.timestamp}.py'
    return _near(Path(runner.work_dir) / os.path.basename(name))


def _near(path: str | os.PathLike) -> str:
    """A path from the working directory where it lies in it, else the whole path."""
    full = Path(path).absolute()
    return str(
        full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else full
    )


def _validated(runner: Any) -> int:
    loop = runner.val_loop
    return 0 if loop is None else len(loop.dataloader.dataset)
