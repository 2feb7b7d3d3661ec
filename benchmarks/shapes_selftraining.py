# Licensed under Apache-2.0.
"""Self-training (SMAF) on top of trained networks on Shapes, several seeds.

    python benchmarks/shapes_selftraining.py

trains each base with each seed, then what stands in ``STAGES`` on top of it: SMAF, the
same stage without its term (what longer training alone would give), and the ablations
of the paper's Tables 3 to 5. Everything is tested twice on the test split, with the CAM
fusion of the base and at one scale. Finished runs are skipped, interrupted ones resume;
``benchmarks/results/shapes_selftraining.json`` and the table beside it are written anew
after every run.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from mmengine.logging import print_log
from tables import read_results, spread, write_results

from mmwsss.pipeline.experiment import SINGLE_PROCESS, Experiment, run_experiment

ROOT = Path(__file__).resolve().parents[1]
#: results: base → stage → seed → what the runs found
Results = dict[str, dict[str, dict[str, dict]]]
ONE_SCALE = ('model.test_cfg.cam.scales=[1.0]',)
ABLATED = 'eps'  # the published base


class Base(NamedTuple):
    """A trained network, and the stage on top of it."""

    title: str
    config: str
    smaf: str
    one_scale: tuple[str, ...] = ONE_SCALE


class Stage(NamedTuple):
    """What is done with a base. ``everywhere``: on every base, else on one."""

    title: str
    options: tuple[str, ...] = ()
    everywhere: bool = False


BASES = {
    'cam': Base('plain CAM', 'configs/cam/cam_vit-t_shapes.py',
                'configs/smaf/smaf_cam_vit-t_shapes.py'),
    'toco': Base('ToCo', 'configs/toco/toco_vit-t_shapes.py',
                 'configs/smaf/smaf_toco_vit-t_shapes.py'),
    'eps': Base('EPS', 'configs/eps/eps_wr38-t_shapes.py',
                'configs/smaf/smaf_eps_wr38-t_shapes.py',
                (*ONE_SCALE, 'test_dataloader.dataset.pipeline.2.scales=[1.0]')),
}  # yapf: disable


def scales(*values: float) -> tuple[str, ...]:
    """The option that sets the teacher's scales."""
    return (f'model.self_training.scales=[{",".join(map(str, values))}]',)


STAGES = {
    'cls': Stage('classification alone, as long', (
        'model.train_cfg.weights.mac=0.0', 'model.train_cfg.weights.cls=1.0'), True),
    'smaf': Stage('SMAF', everywhere=True),
    'with_cls': Stage('with L_cls', ('model.train_cfg.weights.cls=1.0', )),
    'scales_0.5_1_1.5_2': Stage('teacher at 0.5, 1, 1.5, 2', scales(0.5, 1, 1.5, 2)),
    'scales_0.5_1': Stage('teacher at 0.5, 1', scales(0.5, 1)),
    'scales_1_1.5': Stage('teacher at 1, 1.5', scales(1, 1.5)),
    'scales_1_2': Stage('teacher at 1, 2', scales(1, 2)),
    'scale_0.5': Stage('teacher at 0.5', scales(0.5)),
    'scale_1': Stage('teacher at 1', scales(1)),
    'scale_1.5': Stage('teacher at 1.5', scales(1.5)),
    'scale_2': Stage('teacher at 2', scales(2)),
    'not_reactivated': Stage('without reactivation', (
        'model.self_training.reactivated=False', 'model.losses.mac.background=False')),
    'constant': Stage('without reactivation, constant as a target', (
        'model.self_training.reactivated=False', )),
}  # yapf: disable


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--bases', nargs='+', choices=BASES, default=list(BASES))
    parser.add_argument('--stages', nargs='*', choices=STAGES, default=list(STAGES))
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--threads', type=int, default=1, help='threads of a run')
    parser.add_argument(
        '--work-dir', type=Path, default=ROOT / 'work_dirs/shapes_selftraining'
    )
    parser.add_argument(
        '--out', type=Path, default=ROOT / 'benchmarks/results/shapes_selftraining.json'
    )
    return parser.parse_args(argv)


def run(
    args: argparse.Namespace,
    name: str,
    stage: str,
    seed: int,
    checkpoint: str | None = None,
) -> dict:
    """Train and test a base, or with its ``checkpoint`` a stage on top of it."""
    base = BASES[name]
    options = (*SINGLE_PROCESS,)
    if checkpoint is not None:
        options += (f'model.checkpoint={checkpoint}', *STAGES[stage].options)
    return run_experiment(
        Experiment(
            config=base.config if checkpoint is None else base.smaf,
            work_dir=args.work_dir.resolve() / name / stage / f'seed_{seed}',
            root=ROOT,
            options=options,
            seed=seed,
            threads=args.threads,
            more_tests=dict(one_scale=base.one_scale),
        )
    )


def table(results: Results) -> str:
    """The markdown table of all that has results."""
    tests = ('metrics', 'one_scale')
    lines = [
        '| base | stage | CAM | at its best threshold | CAM, one scale | '
        'at its best threshold | seeds |',
        '|---|---|' + '---:|' * 5,
    ]
    for name, base in BASES.items():
        for stage in ('base', *STAGES):
            runs = list(results.get(name, {}).get(stage, {}).values())
            if not runs:
                continue
            cells = [
                spread([found[test][f'cam_{kind}mIoU'] for found in runs])
                for test in tests
                for kind in ('', 'oracle_')
            ]
            title = STAGES[stage].title if stage in STAGES else '–'
            lines.append(
                f'| {base.title} | {title} | ' + ' | '.join(cells) + f' | {len(runs)} |'
            )
    return '\n'.join(lines) + '\n'


def keep(
    args: argparse.Namespace, name: str, stage: str, seed: int, result: dict
) -> None:
    """Write one more result beside those of this and other calls."""
    results: Results = read_results(args.out, BASES)
    results.setdefault(name, {}).setdefault(stage, {})[str(seed)] = {
        key: result[key] for key in ('config', 'metrics', 'one_scale')
    }
    write_results(results, table(results), args.out)
    print_log('\n' + table(results))


def main(argv: list[str] | None = None) -> None:
    """Seed by seed, so that a first table is there early."""
    args = parse_args(argv)
    for seed in args.seeds:
        for name in args.bases:
            base = run(args, name, 'base', seed)
            keep(args, name, 'base', seed, base)
            for stage in args.stages:
                if STAGES[stage].everywhere or name == ABLATED:
                    found = run(args, name, stage, seed, base['checkpoint'])
                    keep(args, name, stage, seed, found)


if __name__ == '__main__':
    main()
