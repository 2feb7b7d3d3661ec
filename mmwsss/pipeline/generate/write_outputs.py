# Licensed under Apache-2.0.
"""From the maps of one image to its files; here, in threads or in processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmwsss.io.atomic_file import is_whole
from mmwsss.io.label_png import save_label_png
from mmwsss.io.score_files import save_scores
from mmwsss.labelers.refiners.refiner import refine_maps
from mmwsss.pipeline.refine.refine_cfg import label_of, read_pixels
from mmwsss.pipeline.workers import clean_processes, start_worker
from mmwsss.structures import ClassMaps

from .generate_cfg import SUFFIX, GenerateCfg
from .network_maps import ImageMaps

_AHEAD = 4  # images waiting for each worker


def output_path(out: str | Path, kind: str, name: str) -> Path:
    """Where one output of an image lies."""
    return Path(out) / kind / f'{name}{SUFFIX[kind]}'


def is_done(out: str | Path, save: Sequence[str], name: str) -> bool:
    """Whether all outputs of an image are there, and whole."""
    return all(is_whole(output_path(out, kind, name)) for kind in save)


def mask_of(settings: GenerateCfg, maps: ImageMaps, device: str = 'cpu') -> np.ndarray:
    """The label map (H, W) uint8 of an image, 255 = ignored."""
    if maps.label is not None:
        return maps.label.astype(np.uint8)
    full = ClassMaps(*map(torch.from_numpy, maps.full))
    if settings.source == 'seg':
        return _of_the_decoder(settings, maps, full, device)
    side = {name: torch.from_numpy(value)[None] for name, value in maps.side}
    return label_of(settings.built_labeler, maps.image, full, device, **side)


def _of_the_decoder(
    settings: GenerateCfg, maps: ImageMaps, full: ClassMaps, device: str
) -> np.ndarray:
    """The strongest label of the decoder's probabilities, refined if asked for."""
    refiner, prob = settings.built_refiner, full.maps[None].to(device)
    if refiner is not None:
        with torch.no_grad():
            prob = refine_maps(
                refiner.to(device), read_pixels(maps.image, device), prob
            )
    return full.ids[prob[0].argmax(0).cpu()].numpy().astype(np.uint8)


def write_outputs(
    settings: GenerateCfg,
    out: str,
    maps: ImageMaps,
    palette: Sequence[Sequence[int]] | None,
    device: str = 'cpu',
) -> None:
    """Write what is asked for of one image; the mask, which takes longest, last."""
    for kind in ('cam', 'fused', 'prob'):
        if kind in settings.save:
            kept = getattr(maps, kind)
            save_scores(
                output_path(out, kind, maps.name),
                kept.maps,
                kept.ids,
                maps.size,
                settings.dtype,
            )
    if 'mask' in settings.save:
        save_label_png(
            mask_of(settings, maps, device),
            output_path(out, 'mask', maps.name),
            palette,
        )


class Workers:
    """Calls one after the other, or in a pool that is never far behind.

    Use as a context: leaving it waits for all calls, or, after an error, for those
    that have begun.

    Args:
        count: 0: calls are made at once; else so many workers.
        processes: processes of one thread each instead of threads.
        device: that threads compute on.
    """

    def __init__(
        self, count: int, processes: bool = False, device: str = 'cpu'
    ) -> None:
        self.count, self.pending = count, deque[Future]()
        self.pool: Executor | None = None
        if count and processes:
            self.pool = ProcessPoolExecutor(
                count, clean_processes(__name__), initializer=start_worker
            )
        elif count:
            # Which GPU is the current one is each thread's own affair.
            begin = None if device == 'cpu' else partial(torch.cuda.set_device, device)
            self.pool = ThreadPoolExecutor(count, initializer=begin)

    def __enter__(self) -> Workers:
        return self

    def submit(self, function: Callable[..., Any], *args: Any) -> None:
        """Call the function; errors of this or an earlier call come up here."""
        if self.pool is None:
            function(*args)
            return
        self.pending.append(self.pool.submit(function, *args))
        while len(self.pending) > _AHEAD * self.count:
            self._finish_one()

    def _finish_one(self) -> None:
        try:
            self.pending.popleft().result()
        except BrokenProcessPool as err:
            raise RuntimeError(
                'a worker process was killed, perhaps for want of memory: run it again '
                'with fewer workers; finished images stay'
            ) from err

    def __exit__(self, kind: type | None, *_: Any) -> None:
        if self.pool is None:
            return
        try:
            while kind is None and self.pending:
                self._finish_one()
        finally:
            self.pool.shutdown(wait=True, cancel_futures=True)
