# Licensed under Apache-2.0.
"""Run a config to the end through the command-line tools, once and for all.

An experiment that is finished leaves ``result.json``; asked for again it is read from
there, an interrupted one resumes from its last checkpoint. Used by the demo and by the
ablation scripts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmwsss.cli.inference_options import segmentor_cfg
from mmwsss.io.atomic_file import write_json
from mmwsss.io.settings_hash import settings_hash
from mmwsss.io.weight_files import stored_weights

from .fingerprint import changes_in_words, path_hash
from .manifest import claim_folder, put_aside, read_manifest
from .stage_process import Cost, Echo, ToolError, run_command
from .stage_types import file_metrics

RESULT = 'result.json'
TRAINED = 'trained.json'
# A training process that loads its own pictures: one core each, same numbers.
SINGLE_PROCESS = tuple(
    f'{loader}_dataloader.{key}'
    for loader in ('train', 'val', 'test')
    for key in ('num_workers=0', 'persistent_workers=False')
)
#: column of a table: the score of a single-stage method that it shows
COLUMNS = {
    'CAM': 'cam_mIoU',
    'aux CAM': 'aux_cam_mIoU',
    'refined label': 'pseudo_mIoU',
    '(labelled)': 'pseudo_labelled',
    'seg': 'seg_mIoU',
}


@dataclass(frozen=True)
class Experiment:
    """One training and test of a config.

    Attributes:
        config: config file, relative to ``root``.
        work_dir: folder of logs, checkpoints and the result.
        root: folder that holds ``tools`` and from which they are run.
        options: ``--cfg-options`` of training and test.
        seed: ``randomness.seed``.
        threads: of each process.
        more_tests: name → options of further tests of the trained network, beside the
            one with ``options`` alone; those that begin with ``--`` are flags of
            ``tools/test.py`` (``--tta``, ``--post-processor=crf``).
    """

    config: str
    work_dir: Path
    root: Path
    options: tuple[str, ...] = field(default=SINGLE_PROCESS)
    seed: int = 0
    threads: int = 1
    more_tests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def train_command(self) -> list[str]:
        """Arguments after ``python``."""
        return [
            'tools/train.py',
            self.config,
            '--work-dir',
            str(self.work_dir),
            '--resume',
            '--cfg-options',
            f'randomness.seed={self.seed}',
            *self.options,
        ]

    def test_command(self, checkpoint: Path, name: str = 'test') -> list[str]:
        """Arguments after ``python``."""
        more = self.more_tests.get(name, ())
        flags = [option for option in more if option.startswith('--')]
        folder = self.work_dir / name
        return [
            'tools/test.py',
            self.config,
            str(checkpoint),
            '--work-dir',
            str(folder),
            *flags,
            '--cfg-options',
            *self.options,
            *(option for option in more if option not in flags),
        ]

    def settings(self) -> dict[str, Any]:
        """All that the training depends on: config, options, seed, weights, data."""
        cfg = Config.fromfile(self.root / self.config)
        dataset = cfg.train_dataloader.dataset
        pretrained = segmentor_cfg(cfg).backbone.get('pretrained')
        files = (
            pretrained and (stored_weights(pretrained) or pretrained),
            cfg.model.get('checkpoint'),
            *(option.partition('=')[2] for option in self.options),
            f'{dataset.get("data_root")}/shapes.json',
        )
        return dict(
            config=cfg.to_dict(),
            options=sorted(self.options),
            seed=self.seed,
            files={
                str(name): path_hash(self.root / name)
                for name in files
                if name and (self.root / name).is_file()
            },
        )

    def fingerprint(self) -> str:
        """Of all that the result depends on: the training, and what is tested."""
        return settings_hash(self.settings() | dict(more_tests=self.more_tests))

    def stored_result(self) -> dict | None:
        """The result of an earlier run with the same settings, if there is one."""
        path = self.work_dir / RESULT
        if not path.exists():
            return None
        result = json.loads(path.read_text())
        same = result['fingerprint'] == self.fingerprint()
        return result if same and Path(result['checkpoint']).is_file() else None


def run_experiment(experiment: Experiment, echo: Echo | None = None) -> dict:
    """Train and test, or read what an earlier call left.

    Args:
        experiment: what to run.
        echo: gets every line that the tools print; ``None``: only the log file does.

    Returns:
        ``metrics`` (test split, percent), those of each of ``more_tests`` under its
        name, ``seconds`` of all, ``train_cost`` and ``test_cost`` (``seconds`` and
        ``peak_mib``; ``None`` of a training that was resumed), ``checkpoint``,
        ``config``, ``seed``, ``fingerprint``.

    Raises:
        ToolError: if a tool fails.
    """
    stored = experiment.stored_result()
    if stored is not None:
        return stored
    _claim_work_dir(experiment)
    start = time.time()
    trained = _trained(experiment, echo)
    costs, metrics = {}, {}
    for name in ('test', *experiment.more_tests):
        command = experiment.test_command(Path(trained['checkpoint']), name)
        costs[name] = _call(experiment, command, echo)
        metrics[name] = _read_metrics(experiment.work_dir / name)
    result = dict(
        config=experiment.config,
        seed=experiment.seed,
        fingerprint=experiment.fingerprint(),
        seconds=round(time.time() - start),
        train_cost=trained['cost'],
        test_cost=_rounded(costs['test']),
        checkpoint=trained['checkpoint'],
        metrics=metrics.pop('test'),
        **metrics,
    )
    write_json(result, experiment.work_dir / RESULT)
    return result


def _trained(experiment: Experiment, echo: Echo | None) -> dict[str, Any]:
    """``checkpoint`` and ``cost`` of the training, which is run unless it was.

    A training that goes on from a checkpoint is only measured in part: no cost.
    """
    note = experiment.work_dir / TRAINED
    if note.exists():
        trained = json.loads(note.read_text())
        if Path(trained['checkpoint']).is_file():
            return trained
    last = experiment.work_dir / 'last_checkpoint'
    resumed = last.exists()
    cost = _call(experiment, experiment.train_command(), echo)
    checkpoint = last.read_text().strip()
    trained = dict(checkpoint=checkpoint, cost=None if resumed else _rounded(cost))
    write_json(trained, note)
    return trained


def _claim_work_dir(experiment: Experiment) -> None:
    """Never resume a run that had other settings: put it aside and begin anew.

    A checkpoint without a manifest, as earlier versions left it, has unknown settings.
    A trained network is tested anew where only its tests are other ones.
    """
    work_dir, settings = experiment.work_dir, experiment.settings()
    there = read_manifest(work_dir)
    other = (
        changes_in_words(there['settings'], settings)
        if there
        else (work_dir / 'last_checkpoint').exists()
    )
    if other:
        mark = there['settings_hash'] if there else 'unknown'
        put_aside(work_dir, work_dir.with_name(f'{work_dir.name}-{mark}'))
    claim_folder(work_dir, settings)


def _rounded(cost: Cost) -> dict[str, int]:
    return {key: round(value) for key, value in cost._asdict().items()}


def _call(experiment: Experiment, command: Sequence[str], echo: Echo | None) -> Cost:
    threads = str(experiment.threads)
    return run_command(
        command,
        experiment.work_dir / 'output.log',
        echo or (lambda line: None),
        experiment.root,
        cwd=experiment.root,
        env=dict(OMP_NUM_THREADS=threads, MKL_NUM_THREADS=threads),
    )


def _read_metrics(folder: Path) -> dict[str, float]:
    metrics = file_metrics(folder)
    if not metrics:
        raise ToolError(f'{folder} holds no metrics: the test wrote none')
    return metrics
