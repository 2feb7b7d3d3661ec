# Licensed under Apache-2.0.
"""Which parts of a network no prediction reads: those that only training needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from mmwsss.models.prediction.predictor import MAKERS
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.segmentors.wrapped_segmentor import unwrap

#: pixels of the noise that is predicted
SIZE = 128


@torch.no_grad()
def unread_parts(model: nn.Module) -> tuple[str, ...]:
    """First components of the keys that leave every prediction as it is.

    A part is read if predictions change once its weights are not a number. Everything
    that the model can predict counts, whatever the config asks for; the averaged copies
    of networks count only where the config predicts with them.

    Args:
        model: a segmentor, whose weights are the same afterwards.
    """
    training = model.training
    model.eval()
    state: Mapping[str, Tensor] = model.state_dict()
    parts: dict[str, list[Tensor]] = {}
    for key, value in state.items():
        if value.is_floating_point():
            parts.setdefault(key.split('.')[0], []).append(value)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(1, 3, SIZE, SIZE, generator=generator)
    before = predictions(model, images)
    unread = [
        part
        for part, tensors in parts.items()
        if _same(before, _spoilt_predictions(model, images, tensors))
    ]
    model.train(training)
    return tuple(unread)


def predictions(model: nn.Module, images: Tensor) -> list[Tensor]:
    """All that a segmentor predicts for normalised images, as tensors."""
    inner = unwrap(model)
    if not isinstance(inner, WeakSegmentor):
        return list(_tensors(model.predict(images)))
    found: list[Tensor] = []
    for settings in _settings(inner):
        found += _tensors(inner.predict(images, **settings))
    return found


def _settings(model: WeakSegmentor) -> Iterator[dict[str, Any]]:
    """Settings of ``test_cfg`` that ask for everything, one after the other."""
    outputs = ['cam'] if model.cam_head is not None else []
    outputs += [name for name, part in MAKERS.items() if getattr(model, part)]
    if model.labeler is not None and model.labeler.side_inputs:
        outputs.remove('pseudo')  # a labeler has no weights, and noise no side input
    common = dict(
        outputs=tuple(outputs),
        cam_filter='none',
        post_processor=None,
        input=dict(squash=None, long_side=None),
    )
    for source in model.PSEUDO_SOURCES:
        for teacher in {False, bool(model.test_cfg.get('use_teacher'))}:
            yield common | dict(pseudo=dict(source=source), use_teacher=teacher)


def _spoilt_predictions(
    model: nn.Module, images: Tensor, tensors: Sequence[Tensor]
) -> list[Tensor]:
    """Predictions while these weights are not a number; none if that is refused."""
    saved = [tensor.clone() for tensor in tensors]
    try:
        for tensor in tensors:
            tensor.fill_(torch.nan)
        return predictions(model, images)
    except ValueError:  # a refiner has met them
        return []
    finally:
        for tensor, value in zip(tensors, saved, strict=True):
            tensor.copy_(value)


def _same(before: Sequence[Tensor], after: Sequence[Tensor]) -> bool:
    """Whether all are equal; what is not a number never is."""
    return len(before) == len(after) and all(map(torch.equal, before, after))


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in predicted samples."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, BaseDataElement):
        yield from _tensors(value.all_values())
    elif isinstance(value, Mapping):
        yield from _tensors(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
