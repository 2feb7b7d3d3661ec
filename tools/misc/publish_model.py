# Licensed under Apache-2.0.
"""Publish the weights of a checkpoint: a small file, its scores, its licence.

``python tools/misc/publish_model.py CONFIG CHECKPOINT`` makes of what training wrote a
file of the weights that a prediction reads, in half precision, tests *that file* with
``tools/test.py``, and then puts it into ``zoo/NAME-<8 hex digits of its sha256>.pth``
and its figures into the config's entry of ``configs/<method>/metafile.yml``. An older
file of the same name goes. With ``--out`` only a file is written, anywhere.

The file holds plain tensors and strings, and loads without unpickling code.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log

from mmwsss.cli.arguments import METRICS, plain_errors
from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.checkpoint import load_checkpoint_file, use_safe_checkpoints
from mmwsss.io.errors import UserError
from mmwsss.io.initial_weights import backbones
from mmwsss.io.metafiles import ZOO, read_metafile, replace_entry
from mmwsss.io.published import published_checkpoint
from mmwsss.pipeline.config_facts import config_facts
from mmwsss.pipeline.inference import init_model
from mmwsss.pipeline.publish import (
    check_same_settings,
    config_as_written,
    origin_of,
    training_figures,
)
from mmwsss.pipeline.unread_parts import unread_parts
from mmwsss.version import __version__

ROOT = Path(__file__).resolve().parents[2]
#: megabytes of a file in a repository
LIMIT = 20
TASK = 'Weakly Supervised Semantic Segmentation'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Publish the weights of a checkpoint.', epilog=__doc__
    )
    parser.add_argument('config', type=Path, help='config that the training ran')
    parser.add_argument('checkpoint', help='file that training wrote')
    parser.add_argument(
        '--out',
        metavar='FILE',
        help='write a file there and nothing else; the hash is added to its name',
    )
    parser.add_argument(
        '--drop',
        nargs='*',
        metavar='PART',
        help='parts of the model to leave out, e.g. proj_head; without this option '
        'those that no prediction reads, which is tried',
    )
    parser.add_argument(
        '--origin', help='whose initial weights, and their licence, where not known'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='for the test alone: where the data lies',
    )
    parser.add_argument(
        '--allow-pickle',
        action='store_true',
        help='unpickle a file that holds code; only one that you trust',
    )
    return parser.parse_args(argv)


def make_file(
    cfg: Config, source: str, drop: Sequence[str] | None = None
) -> tuple[bytes, dict[str, Any]]:
    """The content of the published file, and the meta data that it holds.

    Args:
        cfg: the config that the training ran.
        source: file that training wrote.
        drop: parts to leave out; ``None``: those that no prediction reads.
    """
    checkpoint = load_checkpoint_file(source, 'cpu')
    check_same_settings(cfg, checkpoint, source)
    if drop is None:
        drop = unread_parts(init_model(cfg, source))
    told = dict(
        config=cfg.pretty_text,
        training_log=training_figures(checkpoint),
        mmwsss_version=__version__,
    )
    content = published_checkpoint(checkpoint, drop, told)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue(), content['meta']


def hashed_name(name: str, content: bytes) -> str:
    """``NAME-<8 hex digits>.pth``."""
    return f'{name.removesuffix(".pth")}-{hashlib.sha256(content).hexdigest()[:8]}.pth'


def measure(config: Path, file: Path, options: Sequence[str]) -> dict[str, float]:
    """The scores that ``tools/test.py`` gives the file.

    Raises:
        UserError: if it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, ROOT / 'tools/test.py', config, file]
        command += ['--work-dir', folder]
        command += ['--cfg-options', *options] if options else []
        print_log(' '.join(map(str, command)))
        if subprocess.run(list(map(str, command)), cwd=ROOT).returncode:
            raise UserError(
                f'{file.name} could not be tested (above), so it is not published; '
                'name the place of the data with --cfg-options '
                'test_dataloader.dataset.data_root=DIR'
            )
        scores = json.loads((Path(folder) / METRICS).read_text())
    return {
        name: round(value, 2)
        for name, value in scores.items()
        if value is not None
        and (name == 'cls_mAP' or (name.endswith('mIoU') and 'oracle' not in name))
    }


def find_entry(config: Path) -> tuple[Path, dict[str, Any]]:
    """The metafile of a config's folder, and the config's entry there.

    Raises:
        UserError: if there is none.
    """
    path = config.resolve().parent / 'metafile.yml'
    entries = read_metafile(path)['Models'] if path.is_file() else []
    for entry in entries:
        if entry['Name'] == config.stem:
            return path, entry
    raise UserError(
        f'{path} has no entry {config.stem!r}: add one (Name, In Collection, Config, '
        'Metadata: {Architecture, Training Data}), or write a file only, with --out'
    )


def new_entry(
    entry: Mapping[str, Any],
    file: str,
    content: bytes,
    meta: Mapping[str, Any],
    origin: str,
    scores: Mapping[str, float],
) -> dict[str, Any]:
    """A metafile's entry with everything that is known of the weights."""
    metadata = {k: v for k, v in entry['Metadata'].items() if k != 'Weights'}
    metadata |= {
        'Size': f'{len(content) / 1e6:.1f} MB',
        'SHA256': hashlib.sha256(content).hexdigest(),
        'Licence': 'Apache-2.0',
        'Initial Weights': origin,
        'Classes': list((meta.get('dataset_meta') or {}).get('classes') or ()),
        'Left Out': ', '.join(meta['published']['dropped']) or 'nothing',
        'Trained Iterations': meta.get('iter'),
        'Training Log': meta['training_log'],
    }
    result = dict(Task=TASK, Dataset=metadata['Training Data'], Metrics=dict(scores))
    kept = {k: v for k, v in entry.items() if k not in ('Metadata', 'Results')}
    return kept | dict(Weights=f'{ZOO}/{file}', Metadata=metadata, Results=[result])


def publish(args: argparse.Namespace) -> Path:
    """Make the file, test it, put it into the zoo; returns its path."""
    cfg = config_as_written(args.config)
    if args.out is None:  # refused before the work
        metafile, entry = find_entry(args.config)
        origin = args.origin or origin_of(cfg, backbones(ROOT))
    content, meta = make_file(cfg, args.checkpoint, args.drop)
    print_log(f'left out: {", ".join(meta["published"]["dropped"]) or "nothing"}')
    if args.out is not None:
        path = Path(hashed_name(args.out, content))
        write_atomic(content, path)
        return path
    if len(content) > LIMIT * 1e6:
        raise UserError(
            f'{len(content) / 1e6:.1f} MB are more than the {LIMIT} MB that a file of '
            f'the repository may have; write it elsewhere, with --out'
        )
    name = hashed_name(args.config.stem, content)
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / name
        trial.write_bytes(content)
        scores = measure(args.config.resolve(), trial, args.cfg_options)
    entry['Metadata'] |= config_facts(args.config, ROOT, backbones(ROOT))
    path = ROOT / ZOO / name
    write_atomic(content, path)
    replace_entry(metafile, new_entry(entry, name, content, meta, origin, scores))
    for other in path.parent.glob(f'{args.config.stem}-????????.pth'):
        if other != path:
            other.unlink()
    runpy.run_path(str(ROOT / 'tools/misc/update_model_index.py'))['write']()
    return path


def main(argv: list[str] | None = None) -> None:
    """Publish and report."""
    args = parse_args(argv)
    use_safe_checkpoints(args.allow_pickle)
    path = publish(args)
    print_log(f'published {path} ({path.stat().st_size / 1e6:.1f} MB)')


if __name__ == '__main__':
    with plain_errors():
        main()
