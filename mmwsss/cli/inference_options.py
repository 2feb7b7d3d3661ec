# Licensed under Apache-2.0.
"""What the options of ``tools/test.py`` and of the demo change in a config."""

from __future__ import annotations

import inspect
import os
from typing import Any

from mmengine.config import Config, ConfigDict

from mmwsss.io.errors import UserError
from mmwsss.registry import MODELS, name_of

#: counts of each photo, which tools/test.py leaves in its work dir
AREAS = 'areas.npz'
#: what the short names are called in a config
_NAMES = dict(crf='DenseCRF', par='PAR')
POST_PROCESSOR_HELP = (
    'refine the prediction with the image: crf, crf:PRESET (a key of '
    'mmwsss.ops.DENSE_CRF_PRESETS) or par; any model of mmseg'
)


def post_processor_cfg(name: str) -> dict[str, Any]:
    """The module behind ``crf``, ``crf:PRESET`` or ``par``.

    Raises:
        UserError: Another name. (The module itself names an unknown preset.)
    """
    kind, _, preset = name.partition(':')
    module = MODELS.get(f'mmwsss.{kind}') if kind.isidentifier() else None
    known = () if module is None else tuple(inspect.signature(module).parameters)
    if not hasattr(module, 'per_channel') or (preset and 'preset' not in known):
        raise UserError(
            '--post-processor must be crf, crf:PRESET or par, got '
            f'{name!r} (or another registered refiner, with a preset if it has some)'
        )
    settings = dict(preset=preset) if preset else {}
    return dict(type=f'mmwsss.{_NAMES.get(kind, kind)}', **settings)


def segmentor_cfg(cfg: Config) -> ConfigDict:
    """The network's config, also inside ``PostProcessed`` or a self-training one."""
    model = cfg.get('model', {})
    while 'segmentor' in model:
        model = model['segmentor']
    return model


def apply_post_processor(cfg: Config, name: str) -> None:
    """Refine the predictions of the config's model, whatever it says of that itself."""
    known = str(cfg.model.type).rpartition('.')[2] == 'PostProcessed'
    model = (
        cfg.model if known else dict(type='mmwsss.PostProcessed', segmentor=cfg.model)
    )
    cfg.model = {**model, 'post_processor': post_processor_cfg(name)}


def apply_tta(cfg: Config) -> None:
    """Merge the top-level ``tta_cfg`` into ``model.test_cfg``.

    Raises:
        UserError: The config has no ``tta_cfg``.
    """
    if not cfg.get('tta_cfg'):
        raise UserError(
            f'--tta: {cfg.filename} has no tta_cfg. Add one at top level, e.g. '
            'tta_cfg=dict(seg=dict(scales=(1.0, 1.25, 1.5), mirror=True)), or test '
            'without --tta.'
        )
    from mmwsss.models.prediction.old_settings import merged_test_cfg  # slow to import

    # The outermost model that says something of it has the last word.
    model = cfg.model
    while 'test_cfg' not in model and 'segmentor' in model:
        model = model['segmentor']
    model.test_cfg = merged_test_cfg(model.get('test_cfg'), cfg.tta_cfg)


def show_panels(cfg: Config, folder: str) -> None:
    """Write a panel of every test image to ``folder``."""
    hooks = cfg.get('custom_hooks') or []
    for hook in hooks:
        if name_of(hook['type']) == 'CAMPanelHook':
            hook['show_dir'] = folder
            break
    else:
        hooks = [*hooks, dict(type='CAMPanelHook', show_dir=folder)]
    cfg.custom_hooks = hooks


def wsss_metric(cfg: Config) -> dict[str, Any] | None:
    """The config of the first ``WSSSMetric`` of the test, or ``None``."""
    evaluator = cfg.get('test_evaluator')
    entries = evaluator if isinstance(evaluator, (list, tuple)) else [evaluator or {}]
    kinds = [name_of(entry.get('type')) for entry in entries]
    return entries[kinds.index('WSSSMetric')] if 'WSSSMetric' in kinds else None


def keep_photo_areas(cfg: Config) -> None:
    """Let the metric leave the counts of each photo beside the scores."""
    entry = wsss_metric(cfg)
    if entry is not None:
        entry.setdefault('areas_file', os.path.join(cfg.work_dir, AREAS))


def save_masks(cfg: Config, folder: str) -> None:
    """Let the first ``WSSSMetric`` write the predictions to ``folder``.

    Raises:
        UserError: The config has no such metric.
    """
    entry = wsss_metric(cfg)
    if entry is not None:
        entry['save_dir'] = folder
        return
    raise UserError(
        '--out: test_evaluator has no WSSSMetric, which writes the masks; '
        "use test_evaluator=dict(type='WSSSMetric') or mmseg's "
        'IoUMetric(output_dir=...) through --cfg-options.'
    )
