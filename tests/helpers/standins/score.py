"""Stands in for ``tools/eval_cam.py`` and ``tools/test.py``: a score is a hash."""

import argparse
import json
from hashlib import sha256
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('what', type=Path, nargs='+')
    parser.add_argument('--ann-dir')
    parser.add_argument('--out', type=Path)
    parser.add_argument('--work-dir', type=Path)
    parser.add_argument('--tta', action='store_true')
    args = parser.parse_args()
    what = args.what[-1]
    files = sorted(what.iterdir()) if what.is_dir() else [what]
    text = ''.join(file.read_text() for file in files)
    score = int(sha256(text.encode()).hexdigest()[:4], 16) / 655.36
    out = args.out or args.work_dir / 'metrics.json'
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        json.dumps({'mIoU' if args.out else 'seg_mIoU': score, 'kind': 'stand-in'})
    )


if __name__ == '__main__':
    main()
