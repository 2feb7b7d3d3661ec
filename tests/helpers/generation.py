# Licensed under Apache-2.0.
"""A few pictures with image labels and without masks; weights of tiny networks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from PIL import Image

from mmwsss.datasets.transforms.load_picture import LoadPicture
from mmwsss.datasets.transforms.pack_weak_inputs import PackWeakInputs
from mmwsss.pipeline.inference import init_model

from .methods import ROOT, build, pictures
from .training import free_port

CONFIGS = dict(
    toco='configs/toco/toco_vit-t_shapes.py',
    afa='configs/afa/afa_mit-t_shapes.py',
    fsr='configs/fsr/fsr_vit-t_shapes.py',
    cam='configs/cam/cam_vit-t_shapes.py',
    irn='configs/irn/irn_r18_shapes.py',
)
SIZES = ((64, 80), (64, 80), (72, 64), (64, 80), (50, 61))
CLASSES = ('stripes', 'dots', 'check', 'rings', 'zigzag', 'grid')
LABELS = (
    ('dots',),
    ('stripes', 'grid'),
    ('check',),
    ('dots', 'rings', 'zigzag'),
    ('grid',),
)
NAMES = tuple(f'im_{i:02d}' for i in range(len(SIZES)))
IDS = {name: i for i, name in enumerate(CLASSES, start=1)}


def read_png(path: Path) -> np.ndarray:
    """The stored numbers of a mask."""
    with Image.open(path) as picture:
        return np.asarray(picture)


def draw_data(root: Path, count: int = len(SIZES)) -> Path:
    """A data set in the layout of Shapes with the split ``train``; no pixel labels."""
    (root / 'JPEGImages').mkdir(parents=True)
    (root / 'splits').mkdir()
    lines = []
    for i in range(count):
        image = pictures(1, SIZES[i % len(SIZES)], seed=i)[0].permute(1, 2, 0).numpy()
        Image.fromarray(image).save(root / 'JPEGImages' / f'im_{i:02d}.jpg')
        lines.append(' '.join((f'im_{i:02d}', *LABELS[i % len(LABELS)])))
    (root / 'splits' / 'train.txt').write_text('\n'.join(lines) + '\n')
    (root / 'classes.txt').write_text('\n'.join(CLASSES) + '\n')
    return root


def config_of(method: str, data: Path) -> Config:
    """A method's config on Shapes, reading ``data``."""
    cfg = Config.fromfile(ROOT / CONFIGS[method])
    cfg.train_dataloader.dataset.data_root = str(data)
    return cfg


def weights_of(method: str, folder: Path, seed: int = 0) -> str:
    """A checkpoint of seeded random weights."""
    path = folder / f'{method}_{seed}.pth'
    if not path.is_file():
        model = build(CONFIGS[method], seed)
        torch.save(dict(state_dict=model.state_dict()), path)
    return str(path)


def predicted(place: Path, method: str, **overrides):
    """The network's own predictions, image by image, without the tool."""
    model = init_model(config_of(method, place / 'data'), weights_of(method, place))
    for name, labels in zip(NAMES, LABELS, strict=True):
        item = dict(
            img_path=str(place / 'data' / 'JPEGImages' / f'{name}.jpg'),
            gt_labels=tuple(IDS[one] - 1 for one in labels),
            num_foreground=6,
        )
        packed = PackWeakInputs()(LoadPicture()(item))
        batch = model.data_preprocessor(
            dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']])
        )
        yield (
            name,
            packed['inputs'],
            model.predict(**batch, **dict(cam_filter='gt') | overrides)[0],
        )


def start_tool(
    data: Path, checkpoint: str, out: Path, *arguments: str, processes: int = 1
) -> subprocess.Popen:
    """``tools/generate_pseudo_labels.py`` of ToCo in a process group of its own."""
    tail = [
        '--out',
        str(out),
        '--workers',
        '0',
        *arguments,
        '--cfg-options',
        f'train_dataloader.dataset.data_root={data}',
    ]
    script = 'tools/generate_pseudo_labels.py'
    command = (
        [sys.executable, script, CONFIGS['toco'], checkpoint]
        if processes == 1
        else [
            'bash',
            'tools/dist_generate.sh',
            CONFIGS['toco'],
            checkpoint,
            str(processes),
        ]
    )
    env = {
        **os.environ,
        'CUDA_VISIBLE_DEVICES': '-1',
        'OMP_NUM_THREADS': '1',
        'PYTHONPATH': str(ROOT),
        'PORT': str(free_port()),
        'PYTHON': sys.executable,
    }
    return subprocess.Popen(
        [*command, *tail],
        cwd=ROOT,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the manifest."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file() and path.name != 'manifest.json'
    }
