"""Small pipelines of stand-in tools, quick enough to be killed many times."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

from mmwsss.pipeline.runner import PipelineRun, run_pipeline, select
from mmwsss.pipeline.stage_options import with_options
from mmwsss.pipeline.stage_types import STAGE_TYPES
from mmwsss.pipeline.stages import read_stages

ROOT = Path(__file__).resolve().parents[2]
TOOLS = dict(train='train', generate='generate', evaluate='score', test='score')
TYPES = {
    kind: replace(STAGE_TYPES[kind], tool=f'tests/helpers/standins/{tool}.py')
    for kind, tool in TOOLS.items()
}
STAGES = """
stages = [
    dict(name='cam', type='train', config='net.py'),
    dict(name='masks', type='generate', config='net.py', refine='par', split='train',
         checkpoint='{cam.checkpoint}'),
    dict(name='cam_score', type='evaluate', maps='{masks.cam}', ann_dir='truth'),
    dict(name='mask_score', type='evaluate', maps='{masks.mask}', ann_dir='truth'),
    dict(name='segmenter', type='train', config='seg.py',
         cfg_options=dict(mask_dir='{masks.mask}')),
    dict(name='test', type='test', config='seg.py',
         checkpoint='{segmenter.checkpoint}'),
]
"""
#: of the stages
NAMES = ['cam', 'masks', 'cam_score', 'mask_score', 'segmenter', 'test']
NET = """
randomness = dict(seed=0)
iters = 12
interval = 4
images = 6
pause = 0.0
val_dataloader = dict(dataset=dict(split='val'))
"""
SEG = """
_base_ = ['net.py']
mask_dir = None
test_dataloader = dict(dataset=dict(split='test'))
"""


def write_pipeline(
    folder: Path, stages: str = STAGES, net: str = NET, seg: str = SEG
) -> Path:
    """The configs; returns that of the pipeline."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'net.py').write_text(net)
    (folder / 'seg.py').write_text(seg)
    (folder / 'truth').mkdir(exist_ok=True)
    truth = repr(str(folder / 'truth'))  # paths are relative to the working folder
    (folder / 'pipeline.py').write_text(stages.replace("'truth'", truth))
    return folder / 'pipeline.py'


class Lines(list):
    """Collects what a run shows."""

    def __call__(self, line: str) -> None:
        self.append(line)

    def actions(self) -> dict[str, str]:
        """First word of what the plan says of each stage."""
        plan = [
            line.split(': ', 2)
            for line in self
            if ' (' in line.split(': ')[0] and line[0].isdigit()
        ]
        return {head.split('. ')[1].split(' (')[0]: action for head, action, _ in plan}


def make_run(
    config: Path,
    work_dir: Path,
    first: str | None = None,
    last: str | None = None,
    only: str | None = None,
    seed: int | None = None,
    processes: int = 1,
    types: dict = TYPES,
    **options: object,
) -> PipelineRun:
    """A run of stand-in tools; what it shows is in ``show``, a :class:`Lines`.

    Options are named ``stage__key``.
    """
    given = {key.replace('__', '.'): value for key, value in options.items()}
    stages = with_options(read_stages(config, types), seed, given)
    return PipelineRun(
        stages, work_dir, ROOT, select(stages, first, last, only), processes, Lines()
    )


def actions(run: PipelineRun) -> list[str]:
    """Run, and say what the plan said of each stage."""
    run_pipeline(run)
    return list(run.show.actions().values())


def fork_run(run: PipelineRun) -> int:
    """Start a run in a process group of its own; returns its process."""
    process = os.fork()
    if process:
        os.setpgid(process, process)  # on both sides: either may be first
        return process
    os.setpgid(0, 0)
    listen_to_ctrl_c()
    code = 1
    try:
        run_pipeline(run)
        code = 0
    finally:
        os._exit(code)


def listen_to_ctrl_c() -> None:
    """Also where the tests run in the background of a shell, which ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def kill_group(process: int, number: int = signal.SIGKILL) -> int:
    """Signal a run and all that it started, and wait for it; returns its status."""
    os.killpg(process, number)
    return os.waitpid(process, 0)[1]


def outputs(work_dir: Path) -> dict[str, str]:
    """Contents of all checkpoints, masks and scores."""
    kinds = ('.pth', '.png')
    files = [p for p in work_dir.glob('[0-9]*/run/**/*') if p.suffix in kinds]
    files += work_dir.glob('[0-9]*/run/metrics.json')
    return {str(p.relative_to(work_dir)): p.read_text() for p in sorted(files)}
