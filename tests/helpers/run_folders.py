# Licensed under Apache-2.0.
"""Work dirs as a training leaves them, without training."""

from __future__ import annotations

import json
from pathlib import Path

from mmengine.config import Config

from .drawn_shapes import CONFIG, LOADERS

ENVIRONMENT = """------------------------------------------------------------
System environment:
    sys.platform: linux
    PyTorch: 2.11.0
    PyTorch compiling details: PyTorch built with:
  - GCC 13.3

    MMEngine: 0.10.12

Runtime environment:
    seed: 0
------------------------------------------------------------
"""


def log_text(start: str, end: str) -> str:
    """A log of mmengine that begins and ends at these times of a day."""
    line = '2026/01/02 {} - mmengine - INFO - {}\n'
    return line.format(start, '\n' + ENVIRONMENT) + line.format(end, 'Saving')


def trained(step: int, **values: float) -> str:
    """A line of a training."""
    return json.dumps(dict(lr=0.1, iter=step, step=step) | values)


def validated(step: int, **values: float) -> str:
    """A line of a validation."""
    return json.dumps(dict(time=0.5, step=step) | values)


def write_session(run: Path, name: str, lines: list[str], cfg: Config) -> None:
    """One start of a training."""
    folder = run / name / 'vis_data'
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text('\n'.join(lines) + '\n')
    (folder / 'config.py').write_text(cfg.pretty_text)
    (run / name / f'{name}.log').write_text(log_text('10:00:00', '10:30:00'))


def shapes_config(data: Path, **loaders: object) -> Config:
    """ToCo on drawn pictures, four iterations."""
    cfg = Config.fromfile(CONFIG)
    for name in LOADERS:
        cfg[f'{name}_dataloader'].dataset.data_root = str(data)
    cfg.train_cfg.max_iters = 4
    cfg.merge_from_dict(loaders)
    return cfg


LINES = [
    trained(1, loss=2.0, loss_cls=1.5, label_fg=0.1, label_bg=0.6, label_ignore=0.3),
    trained(2, loss=1.5, loss_cls=1.0, label_fg=0.2, label_bg=0.5, label_ignore=0.3),
    validated(2, seg_mIoU=40.0, cam_mIoU=50.0, cls_mAP=90.0),
    trained(4, loss=1.0, loss_cls=0.5, label_fg=0.2, label_bg=0.5, label_ignore=0.3),
    validated(4, seg_mIoU=60.0, cam_mIoU=55.0, cls_mAP=95.0, images=6),
]
