# Licensed under Apache-2.0.
"""What a table says of an entry of a metafile, cell by cell, as Markdown."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

NONE = '–'
#: columns of scores: title → metrics that may stand in it
KINDS = {
    'CAM': ('cam_mIoU',),
    'aux CAM': ('aux_cam_mIoU',),
    'LAM': ('lam_mIoU',),
    'pseudo label': ('pseudo_mIoU', 'mask_mIoU'),
    'seg': ('seg_mIoU',),
}
#: score → the share of the pixels that it is taken on, in percent
_SHARES = {'pseudo_mIoU': 'pseudo_labelled', 'mask_mIoU': 'mask_labelled'}
#: other scores of a segmentation, with how they were made
MORE = {'seg_mIoU_tta': 'with `--tta`', 'seg_mIoU_crf': 'with CRF'}
Entry = Mapping[str, Any]


def kinds_of(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """Titles of the scores that any of the findings has, in the order of KINDS.

    Args:
        found: each with ``Metrics``: ``Measured``, or what ``Published`` lists.
    """
    there = {metric for one in found for metric in one['Metrics']}
    return [title for title, metrics in KINDS.items() if there & set(metrics)]


def all_published(entries: Iterable[Entry]) -> list[Mapping[str, Any]]:
    """What the authors report of any of the entries."""
    return [found for entry in entries for found in entry.get('Published', ())]


def all_measured(entries: Iterable[Entry]) -> list[Mapping[str, Any]]:
    """What was measured here of any of the entries."""
    return [entry['Measured'] for entry in entries if 'Measured' in entry]


def scores(found: Mapping[str, Any], kinds: Sequence[str]) -> str:
    """Scores of ``Metrics``, with ``Deviation``, in the order of the titles."""
    spread = found.get('Deviation', {})
    cells = []
    for title in kinds:
        name = next((m for m in KINDS[title] if m in found['Metrics']), None)
        if name is None:
            cells.append(NONE)
            continue
        more = f' ± {spread[name]}' if name in spread else ''
        share = found['Metrics'].get(_SHARES.get(name, ''), 100)
        more += f' on {share:.0f} %' if share < 99.5 else ''
        cells.append(f'{found["Metrics"][name]}{more}')
    return ' / '.join(cells)


def published(entry: Entry, kinds: Sequence[str]) -> str:
    """What the authors report, one line a protocol."""
    lines = []
    for found in entry.get('Published', ()):
        how = ', '.join(filter(None, (found['Split'], found.get('How'))))
        lines.append(f'{scores(found, kinds)} ({how})')
    return '<br>'.join(lines) or NONE


def measured(entry: Entry, kinds: Sequence[str]) -> str:
    """What was measured with this repository, or that it wasn't."""
    found = entry.get('Measured')
    if found is None:
        return 'not yet' if 'Benchmark' in entry else NONE
    count = found['Seeds']
    split = _splits(found, kinds) or entry['Metadata'].get('Protocol', '').split(',')[0]
    how = ', '.join(filter(None, (split, f'{count} seed{"s" * (count > 1)}')))
    lines = [f'{scores(found, kinds)} ({how})']
    lines += [
        f'{text}: {found["Metrics"][name]}'
        for name, text in MORE.items()
        if name in found['Metrics']
    ]
    return '<br>'.join(lines)


def _splits(found: Mapping[str, Any], kinds: Sequence[str]) -> str:
    """What each score of a pipeline was taken on, in the order of the titles."""
    on = found.get('Splits', {})
    there = [on.get(m) for title in kinds for m in KINDS[title] if m in on]
    return ' / '.join(filter(None, there))


def network(entry: Entry) -> str:
    """Architecture, and what its encoder begins with."""
    known = entry['Metadata']
    start = known.get('Pretraining')
    if start is None:  # a pipeline, whose stages have their own
        return known['Architecture']
    return (
        known['Architecture']
        + '<br>'
        + ('from scratch' if start == 'none' else f'`{start}`')
    )


def data(entry: Entry) -> str:
    """Data set, and the size that is cut out of its pictures."""
    known = entry['Metadata']
    size = f', {known["Crop Size"]} px' if 'Crop Size' in known else ''
    return known['Training Data'] + size


def schedule(entry: Entry) -> str:
    """Iterations, and pictures of each: GPUs × pictures of one."""
    known = entry['Metadata']
    if 'Iterations' not in known:
        staged = entry['Config'].endswith('_pipeline.py')
        return 'all stages' if staged else 'none'
    gpus = f'{known["GPUs"]} × ' if known.get('GPUs', 1) > 1 else ''
    return f'{known["Iterations"]:,}<br>of {gpus}{known["Batch Size"]}'


def cost(entry: Entry) -> str:
    """Time and memory of a training: ours, else the authors'."""
    found = entry.get('Measured', {})
    if 'Training Minutes' in found:
        parts = [f'{found["Training Minutes"]} min', found.get('Peak Memory')]
        return f'{", ".join(filter(None, parts))}, CPU'
    told = [one['Cost'] for one in entry.get('Published', ()) if 'Cost' in one]
    return f'{told[0]} (authors)' if told else NONE


def log(entry: Entry, folder: str) -> str:
    """Links to the authors' log and to our results, from a page in a folder."""
    links = [
        f'[authors]({one["Log"]})' for one in entry.get('Published', ()) if 'Log' in one
    ]
    if 'Measured' in entry:
        source = entry['Measured'].get('Source') or entry['Benchmark']['File']
        links.append(f'[ours]({link(source, folder)})')
    return ', '.join(links) or NONE


def weights(entry: Entry, zoo: str) -> str:
    """What there is to fetch or to convert, in a few words.

    Args:
        entry: of a metafile.
        zoo: the way to the page of the zoo; empty on the page itself.
    """
    if 'Weights' in entry:
        return f'[{entry["Metadata"]["Size"]}]({zoo}#weights-made-here)'
    if 'Link' in entry.get('Release', {}):
        return f"[the authors']({zoo}#the-authors-weights), to convert"
    return 'none'


def link(path: str, folder: str) -> str:
    """The way from a folder of the repository to a file of it."""
    return os.path.relpath(path, folder)


def config(entry: Entry, folder: str) -> str:
    """The name, with a link to the config, and the note."""
    note = f': {entry["Note"]}' if entry.get('Note') else ''
    if note and folder != str(Path(entry['Config']).parent):
        note = ''  # its links are relative to the config
    return f'[{entry["Name"]}]({link(entry["Config"], folder)}){note}'
