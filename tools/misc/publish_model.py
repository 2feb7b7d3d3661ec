# Licensed under Apache-2.0.
"""Strip a checkpoint to its weights and name it by its hash.

``python tools/misc/publish_model.py IN OUT`` writes ``OUT-<8 hex digits>.pth``: plain
tensors and a few strings, which load without unpickling code.
"""

from __future__ import annotations

import argparse
import hashlib
import io
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log

from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.checkpoint import load_checkpoint_file, use_safe_checkpoints
from mmwsss.io.plain import to_plain

_META = ('iter', 'epoch', 'dataset_meta', 'experiment_name', 'mmengine_version')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Strip a checkpoint to its weights.')
    parser.add_argument('checkpoint', help='file that training wrote')
    parser.add_argument('out', help='file to write; the hash is added to its name')
    parser.add_argument(
        '--drop',
        nargs='*',
        default=[],
        metavar='PREFIX',
        help='drop keys with these prefixes, e.g. proj_head_ema (what only training '
        'needs); loading such a file needs SetupCheckHook(allow_missing=[...])',
    )
    parser.add_argument(
        '--allow-pickle',
        action='store_true',
        help='unpickle a file that holds code; only one that you trust',
    )
    return parser.parse_args(argv)


def strip_checkpoint(checkpoint: dict[str, Any], drop: tuple[str, ...] = ()) -> dict:
    """Keep the weights (on the CPU, contiguous) and harmless meta data.

    Args:
        checkpoint: What training saved, or a bare state dict.
        drop: Prefixes of keys to leave out.

    Returns:
        ``dict(meta=..., state_dict=...)`` of plain data.
    """
    state = checkpoint.get('state_dict', checkpoint)
    weights = {
        k.removeprefix('module.'): v.detach().cpu().contiguous().clone()
        for k, v in state.items()
        if not k.removeprefix('module.').startswith(tuple(drop) or ('\0',))
    }
    meta = {k: v for k, v in checkpoint.get('meta', {}).items() if k in _META}
    return dict(meta=to_plain(meta, 'meta'), state_dict=weights)


def publish(source: str, target: str, drop: tuple[str, ...] = ()) -> Path:
    """Write the stripped file; returns its name, which ends with the hash."""
    stripped = strip_checkpoint(load_checkpoint_file(source, 'cpu'), drop)
    buffer = io.BytesIO()
    torch.save(stripped, buffer)
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()[:8]
    path = Path(f'{target.removesuffix(".pth")}-{digest}.pth')
    write_atomic(data, path)
    return path


def main(argv: list[str] | None = None) -> None:
    """Strip, write and report."""
    args = parse_args(argv)
    use_safe_checkpoints(args.allow_pickle)
    path = publish(args.checkpoint, args.out, tuple(args.drop))
    print_log(f'published {path} ({path.stat().st_size / 2**20:.1f} MiB)')


if __name__ == '__main__':
    main()
