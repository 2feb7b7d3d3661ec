# Licensed under Apache-2.0.
"""Generate pseudo labels: from a trained network to folders of CAMs and masks."""

from __future__ import annotations

import copy
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import all_gather_object, get_dist_info
from torch import nn

from mmwsss.cli.arguments import config_from
from mmwsss.cli.processes import (
    enter_on_first_process,
    log_once,
    on_first_process,
    start_processes,
)
from mmwsss.cli.progress_bar import QuietBar, progress_bar
from mmwsss.io.inputs_read import inputs_read
from mmwsss.io.output_folder import one_file_each, refuse_inputs
from mmwsss.io.provenance import KEY, MANIFEST, continued, make_record, parent
from mmwsss.io.published import compare_classes
from mmwsss.models.segmentors.wrapped_segmentor import unwrap
from mmwsss.pipeline.fingerprint import path_hash, weights_hash
from mmwsss.pipeline.inference import init_model
from mmwsss.pipeline.lock import OUTPUT_LOCK, folder_lock
from mmwsss.pipeline.manifest import (
    ManifestMismatch,
    claim_folder,
    read_manifest,
    write_manifest,
)
from mmwsss.pipeline.workers import Workers
from mmwsss.structures import PARTIAL
from mmwsss.version import __version__

from .generate_cfg import SAVED, SUFFIX, GenerateCfg
from .network_maps import (
    ImageMaps,
    NetworkMaps,
    own_label,
    plain_model,
    side_inputs_read,
    with_defaults,
)
from .split_images import (
    build_split,
    declares_partial,
    groups_of_one_size,
    labels_hash,
    loader_of,
    names_of,
    split_cfg,
)
from .walked_maps import Affinity, WalkMaps
from .write_outputs import is_done, output_path, write_outputs


@dataclass
class GenerateReport:
    """What a call did.

    Attributes:
        out: the folder.
        images: number of images of the split.
        skipped: those whose outputs were there already.
        seconds: of the network and the writing.
        bytes_per_image: mean size of a file, by kind.
        failed: by name, what is wrong with pictures that can't be read.
    """

    out: str
    images: int
    skipped: int = 0
    seconds: float = 0.0
    bytes_per_image: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunOptions:
    """How it is computed; nothing of it changes an output.

    Attributes:
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        batch_size: images of one size at once; default: 8 on a GPU, else 1. (Another
            size can change the last digits of the network's maps.)
        workers: of each process: on a CPU processes that refine, on a GPU threads that
            write; 0: none; ``None``: the cores where a mask is refined on them, 2 on a
            GPU.
        loaders: processes that read images; default: 2 on a GPU, else none.
        overwrite: begin anew, deleting what this tool wrote there.
        allow_pickle: unpickle checkpoints that hold code.
    """

    launcher: str = 'none'
    batch_size: int | None = None
    workers: int | None = 0
    loaders: int | None = None
    overwrite: bool = False
    allow_pickle: bool = False


def generate_labels(
    config: str | Path | Config,
    checkpoint: str,
    out: str | Path,
    settings: GenerateCfg,
    run: RunOptions | None = None,
    affinity: Affinity | None = None,
) -> GenerateReport:
    """Write folders of masks and maps and ``manifest.json`` into ``OUT``.

    Each process takes every world-th batch that isn't finished. An interrupted call is
    resumed by calling it again; a folder of other settings or weights is refused.

    Args:
        config: of a weakly supervised network, with a training and a test data set.
        checkpoint: its weights.
        out: folder of the outputs.
        settings: what to generate.
        run: how to compute it.
        affinity: for ``refine='rw'``: the affinity network that goes with the CAM
            network; or, where ``config`` and ``checkpoint`` are the affinity network's,
            the folder of CAMs that it is for.

    Returns:
        What was done; the same in every process.

    Raises:
        ValueError: before any work, if network, data and settings don't go together,
            or the folder holds outputs of other settings.
        DataError: if a file is missing, or a label is broken. (A picture that can't be
            read is left out and stands in the report.)
        BusyError: if another run writes into the folder.
    """
    run = run or RunOptions()
    cfg = copy.deepcopy(config) if isinstance(config, Config) else config_from(config)
    device = start_processes(cfg, run.launcher, run.allow_pickle)
    if (settings.refine == 'rw') != (affinity is not None):
        raise ValueError(
            "refine='rw' needs an affinity network, or the CAMs that one "
            'is for; nothing else takes them'
        )
    cams = None if affinity is None else affinity.cams
    from_folder = cams is not None
    cam_filter = 'none' if from_folder else settings.cam_filter
    model = init_model(cfg, checkpoint, device)
    settings = with_defaults(settings, model, cfg)
    keeps = 'mask' in settings.save and declares_partial(cfg)
    dataset_cfg = split_cfg(
        cfg,
        settings.split,
        cam_filter,
        plain=from_folder,
        side_inputs=(*side_inputs_read(model, settings), *([PARTIAL] * keeps)),
    )
    dataset = build_split(dataset_cfg, cam_filter)
    read = [*inputs_read(dataset), *([cams] if cams else [])]
    refuse_inputs(out, read)
    _check_classes(model, dataset.metainfo['classes'], settings)
    compare_classes(model.trained_classes, dataset.metainfo['classes'], checkpoint)
    identity = dict(
        settings.settings(),
        weights=weights_hash(model),
        model=plain_model(cfg),
        dataset=dataset_cfg,
    )
    if cam_filter == 'gt':
        identity['labels'] = labels_hash(dataset)
    wanted = side_inputs_read(model, settings)
    for side in dataset.side_inputs:
        if side.name in wanted:
            identity[side.name] = path_hash(side.folder)
    if dataset.partial is not None:
        identity[PARTIAL] = path_hash(dataset.partial.folder)
        log_once(f'{dataset.partial.line()} They stay as they are in the masks.')
    if affinity is None:
        source: NetworkMaps | WalkMaps = NetworkMaps(model, settings)
    else:
        source, more = affinity.source(model, settings, names_of(dataset), device)
        identity |= more
    parents = [parent('checkpoint', checkpoint, record=model.provenance)]
    parents += [] if affinity is None else affinity.parents()
    record = make_record(cfg, [dataset], parents)
    facts = dict(
        mmwsss=__version__,
        config=cfg.filename,
        checkpoint=str(checkpoint),
        classes=dataset.metainfo['classes'],
        palette=dataset.metainfo.get('palette'),
        images=len(dataset),
    )
    chosen = f'those of {cams}' if from_folder else _FILTERS[cam_filter]
    log_once(f'Masks: {describe(settings, model)}. Classes of an image: {chosen}')
    with enter_on_first_process(folder_lock(Path(out), '--out', OUTPUT_LOCK)):
        facts |= _provenance(Path(out), record, run.overwrite)
        return generate(
            dataset, source, Path(out), settings, identity, facts, run, device
        )


def _provenance(out: Path, record: dict, overwrite: bool) -> dict[str, Any]:
    """What the manifest says of where the labels come from.

    Finished ones keep what they say, were it nothing: they aren't made again.
    """
    there = None if overwrite else read_manifest(out)
    if there is None:
        return {KEY: record}
    if there.get('finished'):
        return {KEY: there[KEY]} if KEY in there else {}
    return {KEY: continued(there.get(KEY), record, role='begun', source=str(out))}


_FILTERS = dict(
    gt='its GROUND-TRUTH image labels (no pixel label is read)',
    pred='as the network predicts',
    none='all',
    pred_else_seg="as the network predicts, without any the decoder's",
    seg_else_pred="the decoder's, without any as the network predicts",
)


def describe(settings: GenerateCfg, model: nn.Module) -> str:
    """The way to the masks, for the log."""
    if 'mask' not in settings.save:
        return 'none'
    if own_label(model, settings):
        network = unwrap(model)
        return (
            f"the label of {type(network).__name__}'s own training rule "
            f'({type(network.labeler).__name__}: {network.labeler.extra_repr()})'
        )
    if settings.labeler is not None:
        return f'{settings.labeler} of {_map_name(model)}'
    background = (
        f'background (1 - max)^{settings.alpha:g}'
        if settings.alpha is not None
        else f'background {settings.bkg_thr}'
    )
    of = (
        'the decoder'
        if settings.source == 'seg'
        else f'{_map_name(model)}, {background}'
    )
    preset = f' with {settings.preset}' if settings.preset else ''
    count = f' on {settings.num_classes} labels' if settings.num_classes else ''
    plain = settings.way == 'none'
    way = 'the strongest class' if plain else settings.refine
    return f'{way}{preset}{count} of {of}'


def _map_name(model: nn.Module) -> str:
    main = unwrap(model).test_cfg.get('main_map', 'cam')
    return 'the CAM' if main == 'cam' else f'the {main.upper()}'


def generate(
    dataset: Any,
    source: Callable[[Any], Sequence[ImageMaps]],
    out: Path,
    settings: GenerateCfg,
    identity: dict,
    facts: dict,
    run: RunOptions,
    device: str,
) -> GenerateReport:
    """Everything after the network is built; ``source`` turns batches into maps."""
    names, begin = names_of(dataset), time.time()
    batch_size = run.batch_size or (1 if device == 'cpu' else 8)
    groups = on_first_process(
        lambda: _plan(dataset, names, out, settings, identity, facts, run, batch_size)
    )
    report = GenerateReport(str(out), len(names))
    report.skipped = len(names) - sum(map(len, groups))
    if report.skipped:
        log_once(f'{report.skipped} of {len(names)} images are done already in {out}')
    rank, world = get_dist_info()
    mine = groups[rank::world]
    loaders = run.loaders if run.loaders is not None else 2 * (device != 'cpu')
    failed = _run(
        mine,
        loader_of(dataset, mine, loaders),
        source,
        out,
        settings,
        facts['palette'],
        _workers(run.workers, settings, device),
        device,
    )
    for part in all_gather_object(failed):  # waits for all processes
        report.failed |= part
    names = [name for name in names if name not in report.failed]
    report.seconds = time.time() - begin
    report.bytes_per_image = on_first_process(
        lambda: _finish(
            out, settings, identity, facts | dict(unreadable=[*report.failed]), names
        )
    )
    return report


def _plan(
    dataset: Any,
    names: list[str],
    out: Path,
    settings: GenerateCfg,
    identity: dict,
    facts: dict,
    run: RunOptions,
    batch_size: int,
) -> list[list[int]]:
    """Claim the folder; the batches in which an image is not done."""
    pictures = (dataset.get_data_info(i)['img_path'] for i in range(len(dataset)))
    one_file_each(zip(names, pictures, strict=True))
    if (out / MANIFEST).is_file():
        if run.overwrite:
            _empty(out)
    else:
        _check_empty(out)
    claim_folder(out, identity, **facts, finished=False)
    for kind in SAVED:
        for rest in (out / kind).rglob('*.tmp'):  # of a call that was killed
            rest.unlink(missing_ok=True)
    return [
        group
        for group in groups_of_one_size(dataset, batch_size)
        if not all(is_done(out, settings.save, names[i]) for i in group)
    ]


def _empty(out: Path) -> None:
    """Delete an earlier run; its manifest last, so that a kill leaves nothing that
    could pass for outputs of the next settings."""
    for kind in SAVED:
        shutil.rmtree(out / kind, ignore_errors=True)
    (out / MANIFEST).unlink()


def _check_empty(out: Path) -> None:
    """Files of which no manifest tells the settings must not pass for finished ones.

    Raises:
        ManifestMismatch: naming the first of them.
    """
    for kind in SAVED:
        found = next((out / kind).rglob(f'*{SUFFIX[kind]}'), None)
        if found is not None:
            raise ManifestMismatch(
                f'{out} holds files that no {MANIFEST} tells the settings of (first: '
                f'{found}). Fix: give another folder, or delete {out / kind}.'
            )


def _run(
    groups: Sequence[Sequence[int]],
    loader: Any,
    source: Callable,
    out: Path,
    settings: GenerateCfg,
    palette: Any,
    count: int,
    device: str,
) -> dict[str, str]:
    """Make and write the outputs; gives what can't be read, by name."""
    shown = sum(map(len, groups)) if get_dist_info()[0] == 0 else 0
    refines = 'mask' in settings.save and settings.refines
    threads = not refines or device != 'cpu'
    failed: dict[str, str] = {}

    def maps_to_write(bar: QuietBar) -> Iterator[ImageMaps]:
        for group, (batch, unread) in zip(groups, loader, strict=True):
            failed.update(unread)
            for maps in () if batch is None else source(batch):
                if not is_done(out, settings.save, maps.name):
                    yield maps
            bar.update(len(group))

    write = partial(write_outputs, settings, str(out), palette, device)
    preload = [write_outputs.__module__]
    with (
        Workers(count, threads=threads, device=device, preload=preload) as workers,
        progress_bar(shown) as bar,
    ):
        for _ in workers.map(write, maps_to_write(bar), ordered=False):
            pass
    return failed


def _workers(count: int | None, settings: GenerateCfg, device: str) -> int:
    if count is not None:
        return count
    if device != 'cpu':
        return 2
    cores = (os.cpu_count() or 1) // get_dist_info()[1]
    return cores if settings.refines and cores > 1 else 0


def _finish(
    out: Path, settings: GenerateCfg, identity: dict, facts: dict, names: Sequence[str]
) -> dict[str, int]:
    """Note in the manifest that all is there, and how large it is."""
    sizes = {
        kind: sum(output_path(out, kind, name).stat().st_size for name in names)
        for kind in settings.save
    }
    mean = {kind: round(total / max(len(names), 1)) for kind, total in sizes.items()}
    content = claim_folder(out, identity, **facts)
    write_manifest(out, content | dict(finished=True, bytes_per_image=mean))
    return mean


def _check_classes(
    model: nn.Module, classes: Sequence[str], settings: GenerateCfg
) -> None:
    count = getattr(model, 'num_classes', len(classes))
    if count != len(classes):
        raise ValueError(
            f'the network has {count} classes with background, the data '
            f'set {len(classes)}: {tuple(classes)}'
        )
    if settings.num_classes is not None and settings.num_classes < len(classes):
        raise ValueError(
            f'num_classes={settings.num_classes} of the CRF are less than '
            f'the {len(classes)} of the data set, background included'
        )
