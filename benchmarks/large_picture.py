# Licensed under Apache-2.0.
"""Time and peak memory of one large picture, from the file to the mask.

    python benchmarks/large_picture.py --size 12000 9000

draws a picture of that width and height and predicts it by ``WSSSInferencer`` in a
process of its own; ``--outputs cam prob`` adds maps at stride 4. The peak is the
process's largest resident set, libraries included.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image


def draw(path: Path, width: int, height: int) -> None:
    """Write a JPEG of coloured patches of 37 pixels, with noise."""
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 256, (height // 37 + 1, width // 37 + 1, 3), np.uint8)
    picture = Image.fromarray(cells).resize((width, height), Image.Resampling.NEAREST)
    picture.save(path, quality=85)


def measure(path: Path, model: str, weights: str | None, outputs: list[str]) -> dict:
    """Predict a picture into a folder beside it; in a fresh process.

    Returns:
        ``seconds`` on the wall and of the ``processor``, ``peak_gib`` and, before the
        picture is read, ``start_gib``.
    """
    from mmwsss.apis import WSSSInferencer

    inferencer = WSSSInferencer(model, weights, show_progress=False)
    start, begin, processor = peak(), time.perf_counter(), time.process_time()
    failed = inferencer(str(path), out_dir=path.parent / 'out', outputs=outputs)
    if failed['failed']:
        raise SystemExit(str(failed['failed']))
    return dict(
        seconds=time.perf_counter() - begin,
        processor=time.process_time() - processor,
        start_gib=start,
        peak_gib=peak(),
    )


def peak() -> float:
    """Largest resident set of this process so far, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(argv: list[str] | None = None) -> dict:
    """Draw, predict, say what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', nargs=2, type=int, default=[12000, 9000])
    parser.add_argument('--model', default='toco_vit-t_shapes')
    parser.add_argument('--weights')
    parser.add_argument('--outputs', nargs='*', default=[])
    parser.add_argument('--measure', type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.measure:
        found = measure(args.measure, args.model, args.weights, args.outputs)
        sys.stdout.write(json.dumps(found) + '\n')
        return found
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'large.jpg'
        draw(path, *args.size)
        command = [sys.executable, __file__, '--measure', str(path)]
        command += ['--model', args.model]
        command += ['--weights', args.weights] if args.weights else []
        command += ['--outputs', *args.outputs]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    width, height = args.size
    seconds = f'{found["seconds"]:.0f} s ({found["processor"]:.0f} of the processor)'
    sys.stdout.write(
        f'{args.model} on {width} x {height} pixels ({" ".join(args.outputs) or "-"}): '
        f'{seconds}, peak {found["peak_gib"]:.2f} GiB '
        f'({found["start_gib"]:.2f} before the picture is read)\n'
    )
    return found


if __name__ == '__main__':
    main()
