# Licensed under Apache-2.0.
"""What voting over segments does to pseudo masks of real photos (VOC Animals, val).

    python benchmarks/segment_vote.py

makes CAMs of the shipped plain CAM and ToCo, superpixels (SLIC, Felzenszwalb) and, as
an upper bound, the connected regions of the true masks; then masks by each rule; and
scores them by mIoU and the boundary F-score. Everything is done by the ordinary tools
in ``--work-dir``, which keep what is there: it can be stopped and started again.
``benchmarks/results/segment_vote.json`` and the table in ``segment_vote.md`` beside it
are written anew after each row. Image labels are given. Nothing was chosen on these
photos: the threshold is that of the configs, the CRF's preset is that of the page on
benchmarks (chosen on `tune`), the rest are defaults.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.logging import print_log
from tables import read_results, row_table, write_results

from mmwsss.pipeline.label_options import labeler_text

ROOT = Path(__file__).resolve().parents[1]
THRESHOLD = 0.5
#: network → (title, config, weights)
NETWORKS = {
    'cam': ('plain CAM', 'configs/cam/cam_deit-t_animals.py', 'cam_deit-t_animals-*'),
    'toco': ('ToCo', 'configs/toco/toco_deit-t_animals.py', 'toco_deit-t_animals-*'),
}
#: segments → options of superpixels.py
SEGMENTS = {
    'slic200': ['--method', 'slic', '--segments', '200'],
    'slic600': ['--method', 'slic', '--segments', '600'],
    'felz100': ['--method', 'felzenszwalb', '--scale', '100'],
    'components': ['--method', 'components'],
}
FIGURES = ('mIoU', 'BF', 'FP', 'FN', 'labelled')
CRF = dict(type='DenseCRF', preset='deeplab', unary='labels')
PIXELS = dict(type='ThresholdLabeler', bkg_thr=THRESHOLD)


class Row(NamedTuple):
    """A way to masks.

    Attributes:
        title: in the table.
        labeler: the rule.
        segments: a key of ``SEGMENTS``, or none.
        masks: the row whose masks it takes; none: the CAMs.
    """

    title: str
    labeler: dict[str, Any]
    segments: str = ''
    masks: str = ''


def vote(title: str, segments: str, masks: str = '', **settings: Any) -> Row:
    """A row of votes at the one threshold."""
    labeler = dict(type='SegmentVote', bkg_thr=THRESHOLD) | settings
    return Row(title, labeler, segments, masks)


def merge(title: str, segments: str, masks: str = '') -> Row:
    """A row of merged labels at the one threshold."""
    labeler = dict(type='SegmentMerge', bkg_thr=THRESHOLD)
    return Row(title, labeler, segments, masks)


ROWS = {
    'threshold': Row('CAM at the threshold', PIXELS),
    'slic200': vote('soft vote, SLIC, 200', 'slic200'),
    'slic200_hard': vote('hard vote, SLIC, 200', 'slic200', vote='hard'),
    'slic600': vote('soft vote, SLIC, 600', 'slic600'),
    'felz': vote('soft vote, Felzenszwalb, 100', 'felz100'),
    'felz_hard': vote('hard vote, Felzenszwalb, 100', 'felz100', vote='hard'),
    'felz_merge': merge('merge, Felzenszwalb, 100', 'felz100'),
    'components': vote('soft vote, true components', 'components'),
    'components_merge': merge('merge, true components', 'components'),
    'crf': Row('dense CRF', PIXELS | dict(refiner=CRF)),
    'crf_slic200': vote(
        'dense CRF, then hard vote, SLIC, 200', 'slic200', 'crf', vote='hard'
    ),
    'crf_felz': vote(
        'dense CRF, then hard vote, Felzenszwalb, 100', 'felz100', 'crf', vote='hard'
    ),
    'crf_components': vote(
        'dense CRF, then hard vote, true components', 'components', 'crf', vote='hard'
    ),
}


class Places(NamedTuple):
    """Where things lie."""

    data: Path
    work: Path

    @property
    def names(self) -> Path:
        """The list of the photos."""
        return self.data / 'val.txt'

    def masks(self, network: str, row: str) -> Path:
        """Masks of a row."""
        return self.work / f'{network}_{row}'


def cam_command(places: Places, network: str) -> list[str]:
    """Class maps of a network."""
    _, config, weights = NETWORKS[network]
    (checkpoint,) = (ROOT / 'zoo').glob(f'{weights}.pth')
    command = ['tools/generate_pseudo_labels.py', config, str(checkpoint)]
    command += ['--out', str(places.work / network), '--split', 'val']
    command += ['--save', 'cam', '--stride', '1', '--bkg-thr', str(THRESHOLD)]
    return [*command, '--workers', '0']


def segment_command(places: Places, name: str) -> list[str]:
    """Segments of all photos."""
    source = 'masks' if name == 'components' else 'images'
    command = ['tools/dataset_converters/superpixels.py', str(places.data / source)]
    command += [str(places.work / name), *SEGMENTS[name]]
    return [*command, '--list', str(places.names), '--workers', '1']


def mask_command(places: Places, network: str, name: str) -> list[str]:
    """Masks of a row."""
    row = ROWS[name]
    maps = places.masks(network, row.masks) if row.masks else places.work / network
    command = ['tools/refine_labels.py', str(places.data / 'images')]
    command += [str(maps if row.masks else maps / 'cam')]
    command += [
        str(places.masks(network, name)),
        '--labeler',
        labeler_text(row.labeler),
    ]
    command += ['--kind', 'label' if row.masks else 'cam', '--list', str(places.names)]
    if row.segments:
        command += ['--segments', str(places.work / row.segments)]
    return [*command, '--workers', '1']


def score_command(places: Places, network: str, name: str) -> list[str]:
    """Scores of a row."""
    masks = places.masks(network, name)
    command = ['tools/eval_cam.py', str(masks), '--kind', 'mask', '--boundary']
    command += ['--config', NETWORKS[network][1], '--split', 'val', '--workers', '1']
    return [*command, '--out', f'{masks}.json']


def run(command: Sequence[str]) -> None:
    """Run a tool in this process, as its command line says; what it needs is loaded
    once.

    Raises:
        SystemExit: if it fails.
    """
    sys.argv = [str(ROOT / command[0]), *command[1:]]
    try:
        runpy.run_path(sys.argv[0], run_name='__main__')
    except SystemExit as done:
        if done.code:
            raise


@cache
def run_once(*command: str) -> None:
    """As :func:`run`, where many rows begin with the same."""
    run(command)


def measure(places: Places, network: str, name: str) -> dict[str, Any]:
    """The figures of a row, made where they aren't there."""
    found = Path(f'{places.masks(network, name)}.json')
    if not found.is_file():
        run_once(*cam_command(places, network))
        if ROWS[name].segments:
            run_once(*segment_command(places, ROWS[name].segments))
        run(mask_command(places, network, name))
        run(score_command(places, network, name))
    figures = json.loads(found.read_text())
    return dict(network=network) | {key: figures[key] for key in (*FIGURES, 'images')}


def table(results: dict[str, dict[str, dict[str, Any]]]) -> str:
    """mIoU and BF of each network, side by side; then what is wrong with them."""
    keys = ('mIoU', 'BF', 'FP', 'FN')
    titles = [f'{NETWORKS[net][0]}: {key}' for net in NETWORKS for key in keys]

    def cells(runs: list[dict]) -> list[str]:
        found = {run['network']: run for run in runs}
        return [
            f'{found[net][key]:.1f}' if net in found else '–'
            for net in NETWORKS
            for key in keys
        ]

    head = 'masks of 200 photos of `val`, image labels given'
    text = row_table(head, titles, ROWS, results, cells)
    shares = [
        f'{NETWORKS[net][0]}: {ROWS[name].title} {found["labelled"]:.1f}'
        for name, rows in results.items()
        for net, found in rows.items()
        if found['labelled'] < 99.95
    ]
    return text + (f'\nLabelled, percent: {"; ".join(shares)}.\n' if shares else '')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--rows', nargs='+', choices=ROWS, default=list(ROWS))
    parser.add_argument(
        '--networks', nargs='+', choices=NETWORKS, default=list(NETWORKS)
    )
    default = os.environ.get('MMWSSS_VOC_ANIMALS', 'data/voc_animals')
    parser.add_argument('--data', type=Path, default=Path(default))
    parser.add_argument(
        '--work-dir', type=Path, default=ROOT / 'work_dirs/segment_vote'
    )
    parser.add_argument(
        '--out', type=Path, default=ROOT / 'benchmarks/results/segment_vote.json'
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Measure the rows that are lacking, one after the other."""
    args = parse_args(argv)
    places = Places(args.data.resolve(), args.work_dir.resolve())
    os.environ['MMWSSS_VOC_ANIMALS'] = str(places.data)  # the configs read it
    os.chdir(ROOT)
    torch.set_num_threads(1)
    for name in args.rows:
        for network in args.networks:
            found = measure(places, network, name)
            results = read_results(args.out, ROWS)
            results.setdefault(name, {})[network] = found
            results = {row: results[row] for row in ROWS if row in results}
            write_results(results, table(results), args.out)
            print_log(f'{network}, {name}: {json.dumps(found)}')
    print_log('\n' + table(read_results(args.out, ROWS)))


if __name__ == '__main__':
    main()
