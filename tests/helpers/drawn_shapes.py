# Licensed under Apache-2.0.
"""A few pictures of Shapes with labels and masks, and a network that knows them."""

from __future__ import annotations

from pathlib import Path

from mmwsss.testing.tool_runs import run_tool

from . import ROOT

CONFIG = str(ROOT / 'configs' / 'toco' / 'toco_vit-t_shapes.py')
#: trained by this config, and shipped
CHECKPOINT = str(next((ROOT / 'zoo').glob('toco_vit-t_shapes-*.pth')))
LOADERS = ('train', 'val', 'test')


def draw_shapes(root: Path, train: int = 3, val: int = 3, test: int = 1) -> Path:
    """Draw so many pictures of 96 pixels into a folder."""
    counts = dict(train=train, val=val, test=test)
    numbers = [part for name, n in counts.items() for part in (f'--{name}', n)]
    run_tool('tools/dataset_converters/shapes.py', '--out', root, '--jobs', 1, *numbers)
    return root


def shapes_options(root: Path) -> list[str]:
    """``--cfg-options`` that make the config read them."""
    return [
        '--cfg-options',
        *(f'{name}_dataloader.dataset.data_root={root}' for name in LOADERS),
    ]
