# Licensed under Apache-2.0.
"""Time the operators on the CPU, next to the form they replace.

    python benchmarks/ops.py --out benchmarks/results/ops_cpu.txt

Both columns are measured in one process, in turns, so that their ratio means
something on a busy machine too. The pictures are drawn from a seed: blurred
noise of several scales, so that the lattice has a natural size.
"""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.ops import (
    DENSE_CRF_PRESETS,
    bilateral_filter,
    dense_crf,
    dense_crf_labels,
    dense_energy,
    par,
    par_affinity,
    par_propagate,
    unary_from_prob,
)

PATIENCE = 4.0
DILATIONS = (1, 2, 4, 8, 12, 24)
PEAK = Path('/proc/self/status')
RESET = Path('/proc/self/clear_refs')


def picture(batch: int, height: int, width: int, channels: int = 3) -> Tensor:
    """Noise of all scales, coarse ones strongest, 0..255."""
    generator = torch.Generator().manual_seed(0)
    image = torch.zeros(batch, channels, height, width)
    for level in range(6):
        cells = (max(height >> level, 2), max(width >> level, 2))
        noise = torch.randn(batch, channels, *cells, generator=generator)
        image += 2**level * F.interpolate(noise, (height, width), mode='bilinear')
    low, high = image.aminmax()
    return (image - low) / (high - low) * 255


def smooth_prob(batch: int, labels: int, height: int, width: int) -> Tensor:
    """Softmax of coarse random logits."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(batch, labels, 14, 14, generator=generator) * 3
    return F.interpolate(logits, (height, width), mode='bilinear').softmax(dim=1)


def naive_par(image: Tensor, masks: Tensor, num_iters: int = 10) -> Tensor:
    """The formula with the stack of neighbours, anew in each iteration."""

    def stack(maps: Tensor) -> Tensor:
        batch, channels, height, width = maps.shape
        kernel = torch.eye(9).view(9, 1, 3, 3)[[0, 1, 2, 3, 5, 6, 7, 8]]
        rings = []
        for d in DILATIONS:
            padded = F.pad(maps, (d, d, d, d), mode='replicate')
            padded = padded.view(batch * channels, 1, *padded.shape[-2:])
            rings.append(F.conv2d(padded, kernel, dilation=d))
        return torch.cat(
            [ring.view(batch, channels, 8, height, width) for ring in rings], dim=2
        )

    neighbours = stack(image)
    deviation = neighbours.std(dim=2, keepdim=True)
    ratio = (neighbours - image[:, :, None]).abs() / (deviation + 1e-8) / 0.3
    weight = (-(ratio**2)).mean(dim=1, keepdim=True).softmax(dim=2)
    ring = torch.tensor([2**0.5, 1, 2**0.5, 1, 1, 2**0.5, 1, 2**0.5])
    distance = torch.cat([d * ring for d in DILATIONS])
    position = (-((distance / (distance.std() + 1e-8) / 0.3) ** 2)).softmax(dim=0)
    weight = weight + 0.01 * position.view(1, 1, -1, 1, 1)
    for _ in range(num_iters):
        masks = (stack(masks) * weight).sum(dim=2)
    return masks


def channel_by_channel(image: Tensor, values: Tensor) -> Tensor:
    """One image and one channel at a time, the lattice built for each."""
    rows = [
        bilateral_filter(image[i : i + 1], values[i : i + 1, c : c + 1], 50.0, 15.0)
        for i in range(len(values))
        for c in range(values.shape[1])
    ]
    return torch.cat(rows).view_as(values)


def peak_memory(function: Callable[[], object]) -> float:
    """Additional resident memory at its peak, in MB (Linux; NaN elsewhere)."""
    try:
        # Freed blocks that the allocator kept would hide what is needed.
        ctypes.CDLL(None).malloc_trim(0)
        RESET.write_text('5')
        before = _resident('VmHWM')
        function()
        return (_resident('VmHWM') - before) / 1024
    except (OSError, AttributeError):
        return float('nan')


def _resident(field: str) -> int:
    for line in PEAK.read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise OSError(f'{PEAK} has no {field}')


def measure(
    functions: dict[str, Callable[[], object]], repeats: int
) -> dict[str, tuple[float, float]]:
    """Median wall and processor milliseconds of each, taken in turns.

    A form that has run for ``PATIENCE`` seconds isn't repeated any more.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            if sum(cpu for _, cpu in times[name]) > PATIENCE:
                continue
            wall, cpu = time.perf_counter(), time.process_time()
            function()
            taken = time.perf_counter() - wall, time.process_time() - cpu
            times[name].append(taken)
    return {
        name: (
            1e3 * statistics.median(wall for wall, _ in runs),
            1e3 * statistics.median(cpu for _, cpu in runs),
        )
        for name, runs in times.items()
    }


def cases() -> dict[str, dict[str, Callable[[], object]]]:
    """Title of each comparison to its forms; the first one is ours."""
    image = picture(2, 224, 224)
    unlabelled = picture(2, 224, 224, 1)[:, 0] > 128
    photo = picture(1, 375, 500)
    crf = {name: dict(DENSE_CRF_PRESETS[name]) for name in ('psa', 'toco_seg', 'irn')}
    labels = smooth_prob(1, 5, 375, 500).argmax(dim=1)
    found: dict[str, dict[str, Callable[[], object]]] = {}
    for count in (3, 21):
        masks = smooth_prob(2, count, 224, 224)
        affinity = par_affinity(image)
        found[f'PAR 2x{count}x224x224, 10 iterations'] = {
            'ours': lambda m=masks: par(image, m),
            'published form': lambda m=masks: naive_par(image, m),
            'ours, affinity known': lambda a=affinity, m=masks: par_propagate(a, m),
        }
    prob = smooth_prob(2, 21, 224, 224)
    found['bilateral filter 2x21x224x224, sigma 50 / 15'] = {
        'ours': lambda: bilateral_filter(image, prob, 50.0, 15.0),
        'channel by channel': lambda: channel_by_channel(image, prob),
    }
    found['dense energy 2x21x224x224, forward'] = {
        'ours': lambda: dense_energy(image, prob, None, unlabelled, scale_factor=1.0)
    }
    for count in (21, 81):
        unary = unary_from_prob(smooth_prob(1, count, 375, 500))
        for name in ('psa', 'toco_seg'):
            found[f'dense CRF 500x375x{count}, {name}, 10 iterations'] = {
                'ours': lambda u=unary, n=name: dense_crf(photo, u, **crf[n])
            }
    found['dense CRF 500x375x21 from 5 hard labels, irn, 10 iterations'] = {
        'ours': lambda: dense_crf_labels(photo, labels, 21, **crf['irn']),
        'a row for each label': lambda: dense_crf_labels(
            photo, labels, 21, collapse=False, **crf['irn']
        ),
    }
    return found


def report(threads: list[int], repeats: int) -> Iterator[str]:
    """All lines of the result."""
    yield (
        f'torch {torch.__version__}, {platform.machine()}, medians of {repeats}; '
        'cpu = processor time, which other processes hardly change'
    )
    yield 'ratio = processor time of the form / ours; memory = additional peak'
    for count in threads:
        torch.set_num_threads(count)
        # With a load above the number of cores, threads wait for each other.
        yield f'\n== {count} thread(s), load average {os.getloadavg()[0]:.1f}'
        for title, functions in cases().items():
            yield title
            # Also warms up.
            memory = {name: peak_memory(run) for name, run in functions.items()}
            times = measure(functions, repeats)
            base = times['ours'][1]
            for name, (wall, cpu) in times.items():
                yield (
                    f'    {name:24s} wall {wall:8.1f} ms  cpu {cpu:8.1f} ms  '
                    f'ratio {cpu / base:6.2f}  memory {memory[name]:6.0f} MB'
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--threads', type=int, nargs='+', default=[1, 2])
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--out', type=Path, help='also write the result here')
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    lines = []
    for line in report(args.threads, args.repeats):
        logging.getLogger(__name__).info(line)
        lines.append(line)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text('\n'.join(lines) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
