"""Stands in for ``tools/train.py``: the weights are a chain of hashes."""

import argparse
import json
import os
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path


def write(path: Path, text: str) -> None:
    temporary = path.with_name(f'.{path.name}')
    temporary.write_text(text)
    os.replace(temporary, path)


def first_state(cfg: dict) -> str:
    start = Path(cfg['start']).read_text() if cfg.get('start') else ''
    masks = sorted(Path(cfg['mask_dir']).iterdir()) if cfg.get('mask_dir') else []
    given = start + ''.join(mask.name + mask.read_text() for mask in masks)
    return sha256(f'{cfg["randomness"]["seed"]}{given}'.encode()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('config')
    parser.add_argument('--work-dir', type=Path)
    parser.add_argument('--resume', type=Path)
    parser.add_argument('--launcher')
    parser.add_argument('--wait', type=float, help='hang, in a process of its own')
    args = parser.parse_args()
    if args.wait:  # as torchrun's workers, it survives a kill of the process group
        code = f'import os, time; print("pid", os.getpid()); time.sleep({args.wait})'
        worker = subprocess.Popen(
            [sys.executable, '-u', '-c', code], start_new_session=True
        )
        worker.wait()
        return
    cfg: dict = {}
    exec(Path(args.config).read_text(), cfg)
    if cfg.get('fail'):
        raise RuntimeError(f'told to fail: {cfg["fail"]}')
    done, state = 0, first_state(cfg)
    if args.resume:
        done, state = json.loads(args.resume.read_text())
    for i in range(done, cfg['iters']):
        time.sleep(cfg['pause'])
        with open(args.work_dir / 'journal', 'a') as journal:
            journal.write(f'{i}\n')
        state = sha256(f'{state}{i}'.encode()).hexdigest()
        if (i + 1) % cfg['interval'] == 0 or i + 1 == cfg['iters']:
            write(args.work_dir / f'iter_{i + 1}.pth', json.dumps([i + 1, state]))
            write(
                args.work_dir / 'last_checkpoint',
                str(args.work_dir / f'iter_{i + 1}.pth'),
            )
            sys.stdout.write(f'Iter(train) [{i + 1}/{cfg["iters"]}]\n')


if __name__ == '__main__':
    main()
