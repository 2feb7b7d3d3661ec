# Licensed under Apache-2.0.
"""The images that labels are generated for: split, batches of one size, loader."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch.utils.data import DataLoader

from mmwsss.datasets.side_inputs.old_arguments import OLD_ARGUMENTS
from mmwsss.datasets.weak_seg_dataset import WeakSegDataset
from mmwsss.io.data_errors import LabelError, UnreadableImageError
from mmwsss.io.image_files import picture_size
from mmwsss.io.known_labels import refuse_unlabelled
from mmwsss.io.provenance import labels_hash_of
from mmwsss.registry import DATASETS
from mmwsss.structures import PARTIAL

from .readable_pictures import ReadablePictures, collate_readable

LOADERS = ('train', 'val', 'test')
#: what a training data set reads besides images and image labels
SIDE_INPUTS = frozenset(('side_inputs', *OLD_ARGUMENTS))
PLAIN = [dict(type='LoadPicture'), dict(type='PackWeakInputs')]
_PRED = 'let the network choose the classes (--cam-filter pred)'
MASK_LOADERS = ('LoadMask', 'LoadAnnotations', 'LoadSideInputs')


def split_cfg(
    cfg: Config,
    split: str | None,
    cam_filter: str,
    plain: bool = False,
    side_inputs: Sequence[str] = (),
) -> dict[str, Any]:
    """The data set of a split with the test pipeline, without anything of masks.

    Args:
        cfg: the config; its test pipeline is used.
        split: ``None``: the training images; a name that a loader of the config has;
            else that split of the training data set.
        cam_filter: only ``'gt'`` needs image labels.
        plain: the pictures as they are, not as the test pipeline makes them.
        side_inputs: names of those that are read, at the size of the picture; no others
            are.

    Raises:
        ValueError: if the config has no such data set, or it declares no such side
            input.
    """
    found = {
        name: dict(cfg[f'{name}_dataloader']['dataset'])
        for name in LOADERS
        if cfg.get(f'{name}_dataloader')
    }
    needed = {'train'} if plain else {'train', 'test'}
    if not needed <= found.keys():
        raise ValueError(
            f'{cfg.filename} must have the data loaders {sorted(needed)}, '
            f'has {sorted(found)}'
        )
    base = found['train']
    kind = DATASETS.get(base['type'])
    if not (inspect.isclass(kind) and issubclass(kind, WeakSegDataset)):
        raise ValueError(
            f'{cfg.filename}: train_dataloader.dataset is a {base["type"]}; labels are '
            'generated for a data set of mmwsss (images with image labels)'
        )
    if split is not None:
        base = _of_split(found, kind, split)
    pipeline = (
        PLAIN
        if plain
        else [
            step
            for step in found['test'].get('pipeline', ())
            if str(step['type']).rpartition('.')[2] not in MASK_LOADERS
        ]
    )
    declared = _declared(found['train'], base, side_inputs)
    if declared:  # while the picture is as it was
        loader = dict(type='LoadSideInputs', names=tuple(declared))
        pipeline = [pipeline[0], loader, *pipeline[1:]]
    base = {key: value for key, value in base.items() if key not in SIDE_INPUTS}
    if declared:
        base['side_inputs'] = declared
    return {
        **base,
        'pipeline': pipeline,
        'test_mode': True,
        'with_masks': False,
        'allow_unlabelled': cam_filter != 'gt' or trains_on_negatives(base),
    }


def train_data(cfg: Mapping[str, Any]) -> Mapping[str, Any]:
    """The training data set of a config; empty where it has none."""
    return (cfg.get('train_dataloader') or {}).get('dataset') or {}


def declares_partial(cfg: Config) -> bool:
    """Whether the training data set declares pixels that are known."""
    return bool((train_data(cfg).get('side_inputs') or {}).get(PARTIAL))


def declare_side_input(cfg: Config, name: str, entry: Mapping[str, Any]) -> None:
    """Declare a side input of the training data, in the place of an earlier one.

    Args:
        cfg: changed in place.
        name: of the side input.
        entry: its declaration.

    Raises:
        ValueError: if the config has no training data.
    """
    if not train_data(cfg):
        raise ValueError(f'{cfg.filename} has no train_dataloader.dataset')
    for loader in LOADERS:  # a split's own would come first
        data = (cfg.get(f'{loader}_dataloader') or {}).get('dataset') or {}
        (data.get('side_inputs') or {}).pop(name, None)
    dataset = cfg.train_dataloader.dataset
    dataset.side_inputs = {**(dataset.get('side_inputs') or {}), name: dict(entry)}


def trains_on_negatives(dataset: Mapping[str, Any]) -> bool:
    """Whether a data set says that it takes pictures without any class."""
    return dataset.get('allow_unlabelled') is True


def _declared(
    train: dict[str, Any], base: dict[str, Any], names: Sequence[str]
) -> dict[str, dict]:
    """Declarations of the split, or else of the training data set."""
    declared = (train.get('side_inputs') or {}) | (base.get('side_inputs') or {})
    lacking = [name for name in names if declared.get(name) is None]
    if lacking:
        raise ValueError(
            f'the labels need the side input {lacking[0]!r}: declare side_inputs=dict('
            f'{lacking[0]}=dict(dir=FOLDER, kind=KIND)) in train_dataloader.dataset'
        )
    return {name: declared[name] for name in names}


def _of_split(found: dict[str, dict], kind: type, split: str) -> dict[str, Any]:
    default = inspect.signature(kind).parameters.get('split')
    for name, dataset in found.items():
        known = dataset.get('split', default.default if default else name)
        if known == split:
            return dataset
    if default is None:
        raise ValueError(
            f'{kind.__name__} has no splits by name: --split must be one '
            f'of {sorted(found)}, got {split!r}'
        )
    kept = {k: v for k, v in found['train'].items() if k not in ('ann_file', 'indices')}
    return kept | dict(split=split)


def build_split(cfg: dict[str, Any], cam_filter: str = 'pred') -> WeakSegDataset:
    """Build it; a missing image label names the way out.

    Args:
        cfg: from :func:`split_cfg`.
        cam_filter: with ``'gt'`` every picture's labels must be known: those that it
            has, or that it has none.

    Raises:
        LabelError: naming the first picture without.
    """
    try:
        dataset = DATASETS.build(cfg)
        if cam_filter == 'gt':
            negatives = trains_on_negatives(cfg)
            refuse_unlabelled(dataset, _PRED, negatives)
        return dataset
    except LabelError as err:
        if cfg['allow_unlabelled'] or err.fix.endswith(_PRED):
            raise
        if not Path(err.path).exists():  # rather a split that there isn't
            raise LabelError(err.path, err.problem, f'{err.fix}, and --split') from None
        raise LabelError(
            err.path,
            err.problem,
            f'{err.fix}; or {_PRED}',
        ) from None


def names_of(dataset: WeakSegDataset) -> list[str]:
    """Name of each image, as its outputs are called."""
    return [dataset.get_data_info(i)['img_id'] for i in range(len(dataset))]


def labels_hash(dataset: WeakSegDataset) -> str:
    """Changes with the images and with their labels, which choose the classes."""
    return labels_hash_of([dataset.get_data_info(i) for i in range(len(dataset))])


def groups_of_one_size(dataset: WeakSegDataset, batch_size: int) -> list[list[int]]:
    """Indices that go through the network together.

    They depend on the whole split and the batch size alone, neither on what is done
    already nor on the number of processes: a batch can change the last digits, so an
    image always has the same company. One that can't be read stands by itself.
    """
    order: Sequence[int] = range(len(dataset))
    if batch_size == 1:
        return [[i] for i in order]
    by_size: dict[tuple[int, ...], list[int]] = {}
    for i in order:
        try:
            info = dataset.get_data_info(i)
            size: tuple[int, ...] = picture_size(info['img_path'], info.get('picture'))
        except UnreadableImageError:
            size = (i,)
        by_size.setdefault(size, []).append(i)
    return [
        members[start : start + batch_size]
        for members in by_size.values()
        for start in range(0, len(members), batch_size)
    ]


def loader_of(
    dataset: WeakSegDataset, groups: Sequence[Sequence[int]], workers: int
) -> DataLoader:
    """For each group, in order: its collated batch, and what can't be read of it."""
    return DataLoader(
        ReadablePictures(dataset),
        batch_sampler=[list(g) for g in groups],
        num_workers=workers,
        collate_fn=collate_readable,
    )
