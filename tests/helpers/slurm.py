# Licensed under Apache-2.0.
"""A real Slurm of this machine alone: controller, node, four pretended GPUs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ('slurmctld', 'slurmd', 'munged', 'munge', 'srun', 'sbatch', 'scontrol')
_CONFIG = """
ClusterName=test
SlurmctldHost={host}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/controller.log
SlurmdLogFile={folder}/node.log
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/node.pid
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
JobRequeue=1
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=8000 Gres=gpu:4 State=UNKNOWN
PartitionName=test Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str | None:
    """What hinders; ``None``: nothing."""
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking:
        return f'no {", ".join(lacking)} here (Debian: slurm-wlm, munge)'
    return None if os.geteuid() == 0 else 'Slurm is started by root'


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _munge() -> None:
    """Start munge's daemon, unless it answers."""
    if subprocess.run(['munge', '-n'], capture_output=True).returncode == 0:
        return
    Path('/run/munge').mkdir(exist_ok=True)
    shutil.chown('/run/munge', 'munge', 'munge')
    subprocess.run(['su', '-s', '/bin/sh', 'munge', '-c', 'munged'], check=True)


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """The cluster, while the block runs; gives the environment of its users."""
    for name in ('state', 'spool'):
        (folder / name).mkdir(parents=True)
    host = socket.gethostname().partition('.')[0]
    text = _CONFIG.format(host=host, folder=folder, ports=_free_ports(2))
    (folder / 'slurm.conf').write_text(text)
    (folder / 'gres.conf').write_text(
        f'NodeName={host} Name=gpu File=/dev/tty[0-3]\n'  # any device files
    )
    env = os.environ | dict(SLURM_CONF=str(folder / 'slurm.conf'))
    _munge()
    daemons = [subprocess.Popen([name, '-D'], env=env) for name in PROGRAMS[:2]]
    try:
        for _ in range(60):
            told = subprocess.run(
                ['sinfo', '-h', '-o', '%T'], env=env, capture_output=True, text=True
            )
            if told.stdout.strip() == 'idle':
                break
            time.sleep(0.5)
        yield env
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(30)
