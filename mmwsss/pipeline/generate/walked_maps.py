# Licensed under Apache-2.0.
"""Maps of a network or a folder that walked within the edges of another network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmseg.structures import SegDataSample
from torch import nn

from mmwsss.cam import resize, strided_size
from mmwsss.cli.launch import replace_sync_bn
from mmwsss.io.data_errors import DataError, ScoreError
from mmwsss.io.pictures.reader import read_picture, to_tensor
from mmwsss.io.provenance import parent, record_of_folder
from mmwsss.io.score_files import load_scores
from mmwsss.labelers.refiners.walk_refiner import RandomWalk, check_walkable
from mmwsss.pipeline.fingerprint import weights_hash
from mmwsss.pipeline.inference import init_model
from mmwsss.pipeline.manifest import read_manifest
from mmwsss.structures import StoredMaps

from .generate_cfg import SUFFIX, GenerateCfg
from .network_maps import (
    ImageMaps,
    NetworkMaps,
    known_of,
    plain_model,
    side_of,
    to_numpy,
)


class FolderMaps:
    """Class maps that were saved before, read for the images of a batch.

    Args:
        folder: of CAM files, or one that has them in ``cam/``.
        stride: of the grid that they must have.
        names: of all images.

    Raises:
        DataError: before any work, if files are missing.
    """

    def __init__(self, folder: str | Path, stride: int, names: Sequence[str]) -> None:
        self.folder, self.stride = cam_folder(folder), stride
        lacking = [n for n in names if not self.path(n).is_file()]
        if lacking:
            raise DataError(
                str(self.folder),
                f'lacks the maps of {len(lacking)} of {len(names)} '
                f'images (first: {lacking[0]}{SUFFIX["cam"]})',
                'generate them for this split, or give another one with --split',
            )

    def path(self, name: str) -> Path:
        """The file of an image."""
        return self.folder / f'{name}{SUFFIX["cam"]}'

    def __call__(self, batch: Mapping[str, Any]) -> list[ImageMaps]:
        """The maps of a collated batch, as they lie."""
        return [self._maps(sample) for sample in batch['data_samples']]

    def _maps(self, sample: SegDataSample) -> ImageMaps:
        info: Mapping[str, Any] = sample.metainfo
        size, path = tuple(info['ori_shape'][:2]), self.path(info['img_id'])
        found = load_scores(path, 'cam', None)
        grid = strided_size(size, self.stride)
        if found.size != size or found.scores.shape[1:] != grid:
            raise ScoreError(
                path,
                f'has maps {found.scores.shape[1:]} of an image of {found.size}, '
                f'needed are {grid} of {size} (height, width)',
                f'generate the CAMs of these images with --stride {self.stride}',
            )
        return ImageMaps(
            info['img_id'],
            info['img_path'],
            size,
            StoredMaps(found.scores, found.ids),
            picture=info.get('picture'),
            known=known_of(sample),
        )


def cam_folder(folder: str | Path) -> Path:
    """The folder of CAM files itself.

    Raises:
        DataError: if there is none.
    """
    folder = Path(folder)
    inner = folder / 'cam'
    found = inner if inner.is_dir() else folder
    if not found.is_dir():
        raise DataError(str(folder), 'is no folder', 'give a folder of CAM files')
    return found


class WalkMaps:
    """Lets maps at the stride of the edges walk; what is saved are walked maps.

    Args:
        base: batch → class maps at this stride.
        network: the affinity network, in eval mode.
        settings: what is wanted.

    Raises:
        ValueError: if the network has no edges.
    """

    def __init__(
        self,
        base: Callable[[Mapping[str, Any]], Sequence[ImageMaps]],
        network: nn.Module,
        settings: GenerateCfg,
    ) -> None:
        self.base, self.settings = base, settings
        self.walk = RandomWalk(network)

    @torch.no_grad()
    def __call__(self, batch: Mapping[str, Any]) -> list[ImageMaps]:
        """The walked maps of a collated batch."""
        found = self.base(batch)
        walked = self.walk(
            [_pixels(maps) for maps in found],
            [torch.from_numpy(_cam(maps).maps) for maps in found],
        )
        samples = batch['data_samples']
        return [self._with(*each) for each in zip(found, walked, samples, strict=True)]

    def _with(
        self, maps: ImageMaps, walked: torch.Tensor, sample: SegDataSample
    ) -> ImageMaps:
        """The walked maps, and what a mask is made of beside them."""
        masks = 'mask' in self.settings.save
        grid = strided_size(maps.size, self.settings.stride_of('cam'))
        small = resize(walked[None], grid)[0]
        return maps._replace(
            full=StoredMaps(to_numpy(walked), _cam(maps).ids),
            cam=StoredMaps(to_numpy(small), _cam(maps).ids),
            side=side_of(self.settings, sample) if masks else (),
        )


def _cam(maps: ImageMaps) -> StoredMaps:
    """The class maps, which whatever walks has."""
    assert maps.cam is not None
    return maps.cam


def _pixels(maps: ImageMaps) -> torch.Tensor:
    """The picture itself: test pipelines may resize what the CAM network sees."""
    pixels = read_picture(maps.image, maps.picture).pixels
    if pixels.shape[:2] != tuple(maps.size):
        raise DataError(
            maps.image,
            f'is {pixels.shape[:2]}, its maps are for {maps.size}',
            'generate the maps again',
        )
    return to_tensor(pixels).float()


@dataclass(frozen=True)
class Affinity:
    """The other half of a random walk: an affinity network, or a folder of CAMs.

    Attributes:
        config, checkpoint: of the affinity network.
        cams: folder of CAM files at its stride.

    Raises:
        ValueError: unless it is one of both.
    """

    config: str | Path | Config | None = None
    checkpoint: str | None = None
    cams: str | Path | None = None

    def __post_init__(self) -> None:
        network = (self.config is not None) + (self.checkpoint is not None)
        if (self.cams is not None, network) not in ((True, 0), (False, 2)):
            raise ValueError(
                'a random walk needs the config and the checkpoint of an '
                'affinity network, or a folder of CAMs for one'
            )

    def parents(self) -> list[dict[str, Any]]:
        """Where it comes from: the affinity network's file, or the folder of CAMs."""
        if self.checkpoint is not None:
            return [parent('affinity', self.checkpoint)]
        record = record_of_folder(str(self.cams))
        return [dict(role='cams', source=str(self.cams), sha256=None, record=record)]

    def source(
        self, model: nn.Module, settings: GenerateCfg, names: Sequence[str], device: str
    ) -> tuple[WalkMaps, dict[str, Any]]:
        """Walked maps, and what they depend on besides ``model``."""
        if self.cams is not None:
            folder = FolderMaps(self.cams, check_walkable(model).stride, names)
            made = read_manifest(self.cams) or read_manifest(folder.folder.parent)
            hashed = made and made.get('settings_hash')
            return WalkMaps(folder, model, settings), dict(cams=hashed)
        cfg = (
            self.config
            if isinstance(self.config, Config)
            else Config.fromfile(str(self.config))
        )
        if not torch.cuda.is_available():
            replace_sync_bn(cfg.model)
        network = check_walkable(init_model(cfg, self.checkpoint, device))
        base = replace(
            settings,
            refine='none',
            save=('cam',),
            stride=network.stride,
            preset=None,
            unary=None,
            num_classes=None,
            labeler=None,
        )
        facts = dict(weights=weights_hash(network), model=plain_model(cfg))
        return (
            WalkMaps(NetworkMaps(model, base), network, settings),
            dict(affinity=facts),
        )
