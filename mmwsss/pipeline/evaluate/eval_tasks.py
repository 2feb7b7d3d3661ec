# Licensed under Apache-2.0.
"""Which maps belong to which truth: by name, of a folder or of a data set's split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmwsss.io.data_errors import DataError
from mmwsss.io.image_files import IMAGE_SUFFIXES, FileFinder
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.pipeline.generate.generate_cfg import SUFFIX
from mmwsss.pipeline.generate.split_images import build_split, split_cfg
from mmwsss.pipeline.manifest import read_manifest

from .evaluate_maps import EvalTask

_FOLDERS = dict(cam=('cam', 'fused'), mask=('mask',))


def maps_in(folder: str | Path, kind: str | None = None) -> tuple[Path, str]:
    """The folder of the files itself, and whether it holds CAMs or masks.

    Args:
        folder: one that was generated (``cam/`` in it comes before ``fused/``, and
            that before ``mask/``), or a folder of files.
        kind: ``'cam'`` or ``'mask'``; ``None``: what is there.

    Raises:
        DataError: if it holds neither.
    """
    folder = Path(folder)
    for name in ('cam', 'mask') if kind is None else (kind,):
        inner = [folder / each for each in _FOLDERS[name] if (folder / each).is_dir()]
        found = inner[0] if inner else folder
        if next(found.rglob(f'*{SUFFIX[name]}'), None) is not None:
            return found, name
    asked = ' or '.join(
        SUFFIX[name] for name in (('cam', 'mask') if kind is None else (kind,))
    )
    raise DataError(
        str(folder),
        f'holds no {asked} files' if folder.is_dir() else 'is no folder',
        'give a folder of CAM files or of masks',
    )


def classes_of(folder: str | Path) -> tuple[str, ...] | None:
    """Class names that the manifest of generated maps gives, or ``None``."""
    for candidate in (Path(folder), Path(folder).parent):
        manifest = read_manifest(candidate)
        if manifest and manifest.get('classes'):
            return tuple(manifest['classes'])
    return None


def split_infos(
    config: str | Path | Config, split: str | None, masks: bool = True
) -> tuple[list[dict[str, Any]], Mapping[str, Any]]:
    """The images of a split with the places of their pixel labels, and the meta data.

    Args:
        config: whose data set is meant.
        split: as for the generation of labels; ``None``: the training images.
        masks: whether pixel labels are wanted.
    """
    cfg = config if isinstance(config, Config) else Config.fromfile(str(config))
    init_default_scope(cfg.get('default_scope', 'mmwsss'))
    wanted = split_cfg(cfg, split, 'pred', plain=True) | dict(with_masks=masks)
    dataset = build_split(wanted)
    return [dataset.get_data_info(i) for i in range(len(dataset))], dataset.metainfo


def folder_infos(
    ann_dir: str | Path,
    names: Sequence[str],
    num_classes: int,
    image_dir: str | Path | None = None,
    picture: PictureRule | None = None,
) -> list[dict[str, Any]]:
    """The same of a folder of pixel labels, with pictures read by a rule.

    Raises:
        DataError: if files are missing.
    """
    truths, images = FileFinder(str(ann_dir), True), FileFinder(str(image_dir), True)
    infos = []
    for name in names:
        info = dict(
            img_id=name,
            seg_map_path=truths.find(name, '.png'),
            img_path=f'{image_dir}/{name}',
            picture=picture,
            num_foreground=num_classes - 1,
        )
        if image_dir is not None:
            info['img_path'] = images.find(name, IMAGE_SUFFIXES)
        infos.append(info)
    truths.refuse_missing(
        DataError,
        'pixel labels',
        len(names),
        'give --list FILE with the names of a split that has pixel labels',
    )
    images.refuse_missing(DataError, 'pictures', len(names), 'correct --img-dir')
    return infos


def names_in(folder: Path, kind: str) -> list[str]:
    """Names of all files of a kind below a folder, sorted."""
    return sorted(
        path.relative_to(folder).with_suffix('').as_posix()
        for path in folder.rglob(f'*{SUFFIX[kind]}')
    )


def eval_tasks(
    folder: Path, kind: str, infos: Sequence[Mapping[str, Any]]
) -> list[EvalTask]:
    """Maps and truth by name.

    Raises:
        DataError: if maps are missing, or there is nothing to score.
    """
    maps = FileFinder(str(folder), True)
    tasks = [
        EvalTask(maps.find(info['img_id'], SUFFIX[kind]), dict(info)) for info in infos
    ]
    maps.refuse_missing(
        DataError,
        'maps',
        len(tasks),
        'generate them for this split, score another '
        'one with --split, or with --ann-dir alone all maps that are there',
    )
    if not tasks:
        raise DataError(str(folder), 'has nothing to score', 'give names of images')
    return tasks
