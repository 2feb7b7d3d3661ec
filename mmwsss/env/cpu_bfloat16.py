# Licensed under Apache-2.0.
from __future__ import annotations

from pathlib import Path

CPU_INFO = Path('/proc/cpuinfo')
#: x86 with AVX-512 or AMX, and Arm
FLAGS = ('avx512_bf16', 'amx_bf16', 'bf16')


def has_bfloat16(cpu_info: Path = CPU_INFO) -> bool:
    """Whether the processor multiplies bfloat16 itself.

    Without such instructions bfloat16 is emulated, which is slower than float32.

    Args:
        cpu_info: where Linux describes the processor. ``False`` where there is no such
            file: then it isn't known.
    """
    if not cpu_info.is_file():
        return False
    lines = cpu_info.read_text().splitlines()
    found = next((line for line in lines if line.startswith(('flags', 'Features'))), '')
    return bool(set(FLAGS) & set(found.split()))
