# Licensed under Apache-2.0.
"""A network into a file that is held against the network before it gets its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.errors import UserError, check_choice

from .deployable import deployable
from .file_facts import file_facts
from .optional_modules import needed
from .pixel_rule import PixelRule
from .traced_program import FORMS, Run, trace
from .trial_photos import resized_batch, trial_photos

#: largest difference of an output; CAMs of absent classes are almost nothing divided by
#: almost nothing
BOUNDS = dict(prob=1e-4, scores=1e-4, cams=1e-3)
#: two other sizes at which a file of any size is tried, as shares of the first
_OTHER_SIZES = ((0.75, 1.25), (1.5, 0.7))


@dataclass(frozen=True)
class ExportCfg:
    """How a network is exported.

    Attributes:
        size: (H, W) of the images in pixels.
        any_size: leave the size open; refused where the file then fails at another.
        all_views: predict from the scales and mirrors of ``test_cfg``, not from the
            images alone.
        photos: folder of photos for the check, or ``None``: two of scikit-image.
    """

    size: tuple[int, int]
    any_size: bool = False
    all_views: bool = False
    photos: str | Path | None = None

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(self.size) < 1:
            raise UserError(f'--shape must be height and width, got {self.size}')


def check_suffix(path: str | Path) -> None:
    """Refuse a file of no known kind, and one that nothing here can write.

    Raises:
        UserError: naming the suffixes, or the extra to install.
    """
    suffix = Path(path).suffix
    check_choice('the suffix of --out', suffix, FORMS)
    for module in FORMS[suffix].needs:
        needed(module)


def export_network(
    model: nn.Module, path: str | Path, cfg: ExportCfg, **facts: Any
) -> dict[str, float]:
    """Write a network as ONNX or torch.export, by the file's suffix.

    Args:
        model: from :func:`.init_model`, on the CPU.
        path: ``.onnx`` or ``.pt2``.
        cfg: size, views, photos.
        **facts: further entries of what the file says of itself.

    Returns:
        The largest difference between file and network, by output.

    Raises:
        UserError: if the network can't be exported so, or the file differs from it.
    """
    check_suffix(path)
    form, network = FORMS[Path(path).suffix], deployable(model, cfg.all_views)
    batches = list(_batches(model, cfg))
    program = trace(network, batches[0], cfg.any_size)
    said = file_facts(model, network.names, cfg.size, any_size=cfg.any_size, **facts)
    content = form.write(program, network.names, said)
    found = compare(form.open(content), network, network.names, batches)
    refuse_difference(found)
    write_atomic(content, path)
    return found


def _batches(model: nn.Module, cfg: ExportCfg) -> Iterator[Tensor]:
    """Normalised images: two, one, and where the size is open two of other sizes."""
    pixels = PixelRule.of(model)
    photos = trial_photos(len(pixels.mean), cfg.photos, model.picture)
    images = pixels.normalise(resized_batch(photos, cfg.size))
    yield images
    yield images[:1]
    for shares in _OTHER_SIZES if cfg.any_size else ():
        height, width = (round(side * share) for side, share in zip(cfg.size, shares))
        yield pixels.normalise(resized_batch(photos, (height, width)))


def compare(
    run: Run, network: nn.Module, names: Sequence[str], batches: Sequence[Tensor]
) -> dict[str, float]:
    """Largest absolute difference of each output over all batches.

    Args:
        run: what was written.
        network: what it was written from.
        names: of the outputs.
        batches: normalised images (B, N, H, W) each.

    Raises:
        UserError: if what was written fails on a batch.
    """
    found = dict.fromkeys(names, 0.0)
    for images in batches:
        with torch.no_grad():
            expected = network(images)
        for name, one, other in zip(names, expected, _tried(run, images), strict=True):
            found[name] = max(found[name], _difference(one.numpy(), other))
    return found


def _tried(run: Run, images: Tensor) -> list[np.ndarray]:
    try:
        return run(images.numpy())
    except Exception as error:  # of whatever kind the runtime has
        raise UserError(
            f'the file fails on images of {tuple(images.shape)}: leave out '
            f'--dynamic-size, or give another --shape. It says: {error}'
        ) from error


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    """Largest absolute difference; infinite where shapes differ or one is no number."""
    if one.shape != other.shape or not np.isfinite(other).all():
        return float('inf')
    return float(np.abs(one - other).max(initial=0))


def refuse_difference(found: dict[str, float]) -> None:
    """Refuse a file that predicts something else than its network.

    Raises:
        UserError: with the differences and what is allowed.
    """
    if any(value > BOUNDS[name] for name, value in found.items()):
        parts = [f'{n} {v:.1e} (at most {BOUNDS[n]:g})' for n, v in found.items()]
        raise UserError(
            f'what was exported differs from the network: {", ".join(parts)}. Nothing '
            'was written; try another --shape, or the other kind of file (.onnx, .pt2)'
        )
