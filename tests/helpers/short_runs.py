# Licensed under Apache-2.0.
"""Configs of the methods for runs of six iterations, and what such a run logs."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmwsss.testing import earlier_stages
from mmwsss.testing.short_schedules import short_schedules
from tests.helpers import ROOT

TOCO = 'configs/toco/toco_vit-t_shapes.py'
AFA = 'configs/afa/afa_mit-t_shapes.py'
FSR = 'configs/fsr/fsr_vit-t_shapes.py'
SECO = 'configs/seco/seco_vit-t_shapes.py'
MORE = 'configs/more/more_vit-t_shapes.py'
CAM = 'configs/cam/cam_vit-t_shapes.py'
SMAF = 'configs/smaf/smaf_toco_vit-t_shapes.py'
UPPER = 'configs/toco/sup_vit-t_shapes.py'
COCO = 'configs/toco/toco_vit-t_coco-tiny.py'
CAAE = 'configs/semformer/caae_deit-t_shapes.py'
SEMFORMER = 'configs/semformer/semformer_deit-t_shapes.py'
#: all terms from iteration 2 on, in runs of six iterations
SHORT = """
_base_ = [{base!r}]
data_root = {data!r}
train_dataloader = dict(batch_size=2, dataset=dict(data_root=data_root))
val_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False,
                      dataset=dict(data_root=data_root, {limit}))
test_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False,
                       dataset=dict(data_root=data_root, {limit}))
train_cfg = dict(max_iters=6, val_interval=6)
param_scheduler = [dict(type='PolyWarmupLR', warmup_iters=2, warmup_ratio=1e-6,
                        power=0.9, by_epoch=False)]
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=3))
"""


def short_config(config: str | Path, data: Path, folder: Path, limit: str = '') -> Path:
    """A config for a few iterations on the pictures of ``data``.

    What a method switches on in the course of its training, it switches on within
    them; earlier stages are there, untrained. A method that has more to say changes
    ``model`` in ``tests/methods/<folder of its configs>/short_run.py``.

    Args:
        config: a config that trains on Shapes or on COCO.
        data: the data set's folder.
        folder: where the new config and the checkpoints of earlier stages go.
        limit: further settings of the data sets of validation and test.
    """
    init_default_scope('mmwsss')
    base = Config.fromfile(ROOT / config)
    model = Config(dict(model=earlier_stages(base.model, folder)))
    if base.model.get('train_cfg'):
        schedules = short_schedules(base.model.train_cfg.to_dict())
        model.merge_from_dict(dict(model=dict(train_cfg=schedules)))
    own = ROOT / 'tests' / 'methods' / Path(config).parent.name / 'short_run.py'
    if own.is_file():
        model.merge_from_dict(Config.fromfile(own).to_dict())
    text = SHORT.format(base=str(ROOT / config), data=str(data), limit=limit)
    path = folder / f'{Path(config).stem}.py'
    path.write_text(f'{text}model = {model.model.to_dict()!r}\n')
    return path


def configs_of_methods() -> list[Path]:
    """``configs/<method>/*_shapes.py``, in the order of the metafiles.

    One for each kind of network, of those that train from image labels alone.
    """
    found: dict[str, Path] = {}
    for metafile in sorted((ROOT / 'configs').glob('*/metafile.yml')):
        for entry in yaml.safe_load(metafile.read_text())['Models']:
            if not entry['Config'].endswith('_shapes.py'):
                continue
            cfg = Config.fromfile(ROOT / entry['Config'])
            steps = cfg.train_dataloader.dataset.pipeline
            if 'LoadMask' not in [step.type for step in steps]:
                found.setdefault(cfg.model.type, Path(entry['Config']))
    return list(found.values())


def losses(log: str) -> list[dict[str, float]]:
    """The terms of each logged training iteration."""
    lines = [line for line in log.splitlines() if 'Iter(train)' in line]
    return [
        {k: float(v) for k, v in re.findall(r'(loss\w*): (\S+)', line)}
        for line in lines
    ]


def scores(log: str) -> dict[str, float]:
    """The metrics of the last evaluation."""
    line = [x for x in log.splitlines() if re.search(r'Iter\((val|test)\) *\[', x)][-1]
    return {k: float(v) for k, v in re.findall(r'(\w+_\w+): (\S+)', line)}
