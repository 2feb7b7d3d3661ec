# Licensed under Apache-2.0.
"""Time and memory of functions that compute the same, measured in turns."""

from __future__ import annotations

import ctypes
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

__all__ = ['Form', 'Timing', 'machine', 'measure']

Form = Callable[[], Tensor]
PATIENCE = 3.0  # seconds after which a form isn't repeated any more
_STATUS = Path('/proc/self/status')
_RESET = Path('/proc/self/clear_refs')


@dataclass
class Timing:
    """What was measured of one form.

    Attributes:
        memory: Additional memory at its peak in MB, its result included;
            resident memory on a CPU (NaN outside Linux), allocated on a GPU.
        first: Result of the first run.
        last: Result of the last run.
        runs: Milliseconds of each timed run.
        processor: Milliseconds of processor time of each, over all threads;
            other processes hardly change them.
    """

    memory: float
    first: Tensor
    last: Tensor
    runs: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Milliseconds."""
        return statistics.median(self.runs)

    @property
    def spread(self) -> str:
        """Fastest and slowest run."""
        digits = 1 if self.median > 1 else 3
        return f'{min(self.runs):.{digits}f}..{max(self.runs):.{digits}f}'


def measure(
    forms: Mapping[str, Form], repeats: int, device: torch.device
) -> dict[str, Timing]:
    """Run all forms once to warm up, then ``repeats`` times in turns.

    The first run is that of which the memory is measured; it isn't timed.
    """
    timings = {}
    for name, form in forms.items():
        memory, result = _first_run(form, device)
        timings[name] = Timing(memory, result, result)
    for _ in range(repeats):
        for name, form in forms.items():
            timing = timings[name]
            if sum(timing.runs) <= 1e3 * PATIENCE:
                start = time.process_time()
                taken, timing.last = _timed(form, device)
                timing.processor.append(1e3 * (time.process_time() - start))
                timing.runs.append(taken)
    return timings


def _timed(form: Form, device: torch.device) -> tuple[float, Tensor]:
    """Milliseconds and the result."""
    if device.type != 'cuda':
        start = time.perf_counter()
        result = form()
        return 1e3 * (time.perf_counter() - start), result
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    begin.record()
    result = form()
    end.record()
    torch.cuda.synchronize(device)
    return begin.elapsed_time(end), result


def _first_run(form: Form, device: torch.device) -> tuple[float, Tensor]:
    """MB and the result."""
    if device.type == 'cuda':
        form()  # loads the kernels
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        result = form()
        peak = torch.cuda.max_memory_allocated(device)
        return (peak - before) / 2**20, result
    before = _reset_peak()
    result = form()
    return (_resident('VmHWM') - before) / 2**10, result


def _reset_peak() -> float:
    """Make the present resident memory the peak; gives it in KiB."""
    try:
        # Freed blocks that the allocator kept would hide what is needed.
        ctypes.CDLL(None).malloc_trim(0)
        _RESET.write_text('5')
        return _resident('VmHWM')
    except (OSError, AttributeError):
        return float('nan')


def _resident(name: str) -> float:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return float('nan')
    found = [line.split()[1] for line in lines if line.startswith(name)]
    return float(found[0]) if found else float('nan')


def machine() -> str:
    """One line: processor, cores, GPU, torch, load."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        names = [line.split(': ')[1] for line in lines if line.startswith('model name')]
    except OSError:
        names = []
    parts = [
        names[0] if names else platform.processor() or platform.machine(),
        f'{os.cpu_count()} cores',
        torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU',
        f'torch {torch.__version__}',
        f'load average {os.getloadavg()[0]:.2f}',
    ]
    return ', '.join(parts)
