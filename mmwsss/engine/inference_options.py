# Licensed under Apache-2.0.
"""What the options of ``tools/test.py`` change in a config."""

from __future__ import annotations

from mmengine.config import Config


def apply_tta(cfg: Config) -> None:
    """Merge the top-level ``tta_cfg`` into ``model.test_cfg``.

    Raises:
        ValueError: The config has no ``tta_cfg``.
    """
    if not cfg.get('tta_cfg'):
        raise ValueError(
            f'--tta: {cfg.filename} has no tta_cfg. Add one at top level, e.g. tta_cfg='
            'dict(seg_scales=(1.0, 1.25, 1.5), seg_flip=True), or test without --tta.'
        )
    test_cfg = cfg.model.get('test_cfg') or {}
    cfg.model.test_cfg = {**test_cfg, **cfg.tta_cfg}


def show_panels(cfg: Config, folder: str) -> None:
    """Write a panel of every test image to ``folder``."""
    hooks = cfg.get('custom_hooks') or []
    for hook in hooks:
        if str(hook['type']).rpartition('.')[2] == 'CAMPanelHook':
            hook['show_dir'] = folder
            break
    else:
        hooks = [*hooks, dict(type='CAMPanelHook', show_dir=folder)]
    cfg.custom_hooks = hooks


def save_masks(cfg: Config, folder: str) -> None:
    """Let the first ``WSSSMetric`` write the predictions to ``folder``.

    Raises:
        ValueError: The config has no such metric.
    """
    evaluator = cfg.get('test_evaluator')
    entries = evaluator if isinstance(evaluator, (list, tuple)) else [evaluator or {}]
    for entry in entries:
        if str(entry.get('type')).rpartition('.')[2] == 'WSSSMetric':
            entry['save_dir'] = folder
            return
    raise ValueError(
        '--out: test_evaluator has no WSSSMetric, which writes the masks; '
        "use test_evaluator=dict(type='WSSSMetric') or mmseg's "
        'IoUMetric(output_dir=...) through --cfg-options.'
    )
