"""Stands in for ``tools/generate_pseudo_labels.py``: a mask is a hash."""

import argparse
import os
import time
from hashlib import sha256
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('config')
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('--out', type=Path)
    parser.add_argument('--refine', default='none')
    parser.add_argument('--split')
    parser.add_argument('--save', default='cam,mask')
    parser.add_argument('--workers')
    args = parser.parse_args()
    cfg: dict = {}
    exec(Path(args.config).read_text(), cfg)
    weights = args.checkpoint.read_text() + args.refine
    for kind in args.save.split(','):
        (args.out / kind).mkdir(parents=True, exist_ok=True)
        for i in range(cfg['images']):
            path = args.out / kind / f'{i}.png'
            if path.exists():
                continue
            time.sleep(cfg['pause'])
            with open(args.out / 'journal', 'a') as journal:
                journal.write(f'{kind} {i}\n')
            temporary = path.with_name(f'.{path.name}')
            temporary.write_text(sha256(f'{weights}{kind}{i}'.encode()).hexdigest())
            os.replace(temporary, path)


if __name__ == '__main__':
    main()
