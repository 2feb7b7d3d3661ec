# Licensed under Apache-2.0.
from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from mmwsss.cam import outside_box_to_ignore, resize
from mmwsss.structures import ImageLabels, PseudoLabel

from .refiners.refiner import build_refiner, refined, refiner_grid, without_keys

#: types of class ids that a rule may give: they hold 255
WHOLE = (torch.uint8, torch.int16, torch.int32, torch.int64)


class Labeler(nn.Module):
    """A rule that makes pseudo labels of pictures and class maps.

    A labeler is registered in ``LABELERS`` and means the same in a model, in
    prediction, in the tools and in a stage of a pipeline. It learns nothing, and what
    it holds (a buffer of its refiner, say) is in no checkpoint of a model. A subclass
    writes :meth:`decide`; its settings whose names are in ``THRESHOLDS`` are attributes
    of that name.

    Args:
        refiner: config of what makes maps follow the edges of their picture (a module
            of ``MODELS`` as :class:`~mmwsss.labelers.refiners.refiner.Refiner`
            describes it), or ``None``.

    Raises:
        ValueError: if the refiner is none.
    """

    #: fields of a sample, beside picture and image label, that :meth:`forward` takes
    #: by name: (B, H, W) tensors of the pictures' size
    side_inputs: tuple[str, ...] = ()
    #: settings that :meth:`with_thresholds` can replace
    THRESHOLDS: tuple[str, ...] = ()
    #: whether :meth:`decide` looks at the pictures itself. ``False`` where only the
    #: refiner does: without one, pictures then need not be read, and only their size
    #: is right. It holds for the class that says so, not for one that overrides its
    #: ``decide``.
    READS_PIXELS: bool = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if 'decide' in vars(cls) and 'READS_PIXELS' not in vars(cls):
            cls.READS_PIXELS = True  # another rule than the one that declared it

    def __init__(self, refiner: dict[str, Any] | nn.Module | None = None) -> None:
        super().__init__()
        self.refiner = build_refiner(refiner)
        without_keys(self)

    # ---------------------------------------------------------------- what is called
    def forward(
        self,
        pixels: Tensor,
        cam: Tensor,
        labels: ImageLabels,
        box: Tensor | None = None,
        **side: Tensor,
    ) -> PseudoLabel:
        """Make the pseudo labels of a batch; nothing of it has a gradient.

        Args:
            pixels: (B, 3, H, W) RGB grey levels 0..255, float32.
            cam: (B, K, h, w) class maps in [0, 1] of the classes of ``labels``, at any
                size.
            labels: the K classes of each image; unused slots of ``cam`` are 0.
            box: (B, 4) int64 (y0, y1, x0, x1) of the real pixels, half-open, or
                ``None``: all are real. The ids outside are 255.
            **side: the fields that ``side_inputs`` names.

        Raises:
            TypeError, ValueError: if :meth:`decide` gives no such label.
            ValueError: if the shapes don't fit, or a side input is lacking.
        """
        self._check_inputs(pixels, cam, labels, side)
        with torch.no_grad(), torch.autocast(cam.device.type, enabled=False):
            if cam.shape[1]:
                found = self.decide(pixels.float(), cam.float(), labels, **side)
                found = check_label(type(self).__name__, found, pixels, labels)
            else:  # no image of the batch holds a class
                found = PseudoLabel(torch.zeros_like(pixels[:, 0], dtype=torch.long))
            return found._replace(ids=outside_box_to_ignore(found.ids, box))

    def decide(
        self, pixels: Tensor, cam: Tensor, labels: ImageLabels, **side: Tensor
    ) -> PseudoLabel:
        """The rule itself, as :meth:`forward` describes it, without the box."""
        raise NotImplementedError

    @property
    def reads_pixels(self) -> bool:
        """Whether the pictures are looked at, or only their size."""
        return self.READS_PIXELS or self.refiner is not None

    def with_thresholds(self, **thresholds: float) -> Labeler:
        """The same rule with other thresholds; this one stays as it is.

        Args:
            **thresholds: new values by name, those of ``THRESHOLDS``.

        Raises:
            ValueError: if the rule has no such threshold, or a value is out of range.
        """
        unknown = sorted(set(thresholds) - set(self.THRESHOLDS))
        if unknown:
            raise ValueError(
                f'{type(self).__name__} has no thresholds {unknown}; it has '
                f'{list(self.THRESHOLDS) or "none"}'
            )
        other = copy.copy(self)
        other.__dict__.update(thresholds)
        other.check_thresholds()
        return other

    def check_thresholds(self) -> None:
        """Refuse thresholds out of range; a rule with more than one orders them.

        Raises:
            ValueError: naming the threshold.
        """
        for name in self.THRESHOLDS:
            value = getattr(self, name)
            if not isinstance(value, Real) or not 0 <= float(value) <= 1:
                raise ValueError(
                    f'{name} of {type(self).__name__} must be in [0, 1], got {value!r}'
                )

    def extra_repr(self) -> str:
        """Parameters for ``print(module)``."""
        return ', '.join(f'{name}={getattr(self, name)}' for name in self.THRESHOLDS)

    # ---------------------------------------------------------------- for the rules
    def refine(self, pixels: Tensor, stacks: Tensor, labels: ImageLabels) -> Tensor:
        """Refine one or several stacks of maps, each image with its own classes.

        Args:
            pixels: (B, 3, H, W) RGB grey levels 0..255.
            stacks: (B, T, K + 1, h, w) probabilities, background first.
            labels: the K classes of each image.

        Returns:
            (B, T, K + 1, H, W) float32, 0 in unused slots.
        """
        size = tuple(pixels.shape[-2:])
        if self.refiner is not None and self.refiner.per_channel:
            out = refined(self.refiner, pixels, stacks.flatten(1, 2))
            out = out.reshape(stacks.shape)
        elif self.refiner is not None:
            out = _one_by_one(self.refiner, pixels, stacks, labels)
        else:
            out = stacks
        return resize(out.flatten(1, 2), size).unflatten(1, stacks.shape[1:3])

    def grid(self, pixels: Tensor) -> tuple[int, int]:
        """(h, w) that the refiner works on, at least 1 x 1."""
        return refiner_grid(self.refiner, tuple(pixels.shape[-2:]))

    def _check_inputs(
        self,
        pixels: Tensor,
        cam: Tensor,
        labels: ImageLabels,
        side: Mapping[str, Tensor],
    ) -> None:
        name, batch = type(self).__name__, len(labels.ids)
        if pixels.dim() != 4 or pixels.shape[:2] != (batch, 3):
            raise ValueError(
                f'{name} needs pixels ({batch}, 3, H, W), got {tuple(pixels.shape)}'
            )
        if cam.dim() != 4 or cam.shape[:2] != labels.ids.shape:
            raise ValueError(
                f'{name} needs cam (B, K, h, w) of the (B, K) = '
                f'{tuple(labels.ids.shape)} classes of labels, got {tuple(cam.shape)}: '
                'labels.gather makes compact maps of all classes'
            )
        if set(side) != set(self.side_inputs):
            raise ValueError(
                f'{name} takes the side inputs {list(self.side_inputs)}, got '
                f'{sorted(side)}'
            )
        size = (batch, *pixels.shape[-2:])
        for key, value in side.items():
            if tuple(value.shape) != size:
                raise ValueError(f'{name} needs {key} {size}, got {tuple(value.shape)}')


def check_label(
    name: str, found: Any, pixels: Tensor, labels: ImageLabels
) -> PseudoLabel:
    """Refuse what a rule gives unless it is a :class:`PseudoLabel` of the pictures.

    Types and shapes count, no value is looked at.

    Args:
        name: of the labeler's class.
        found: what it gave.
        pixels: (B, 3, H, W).
        labels: the K classes of each image.

    Returns:
        The label, its ids int64.

    Raises:
        TypeError: if it is something else, or not of whole numbers.
        ValueError: if a shape is another one.
    """
    if not isinstance(found, PseudoLabel):
        raise TypeError(
            f'{name}.decide must return PseudoLabel(ids, soft, confidence), got '
            f'{type(found).__name__}'
        )
    batch, slots = labels.ids.shape
    size = tuple(pixels.shape[-2:])
    wanted = dict(
        ids=(batch, *size),
        soft=(batch, slots + 1, *size),
        confidence=(batch, *size),
    )
    for field, shape in wanted.items():
        value = getattr(found, field)
        if value is None and field != 'ids':
            continue
        if not isinstance(value, Tensor) or tuple(value.shape) != shape:
            got = tuple(value.shape) if isinstance(value, Tensor) else value
            raise ValueError(
                f'{name}.decide must give {field} of the shape {shape}, at the '
                f"pictures' size, got {got}"
            )
        whole = value.dtype in WHOLE
        if not (whole if field == 'ids' else value.is_floating_point()):
            kind = 'int64 class ids 0..C and 255' if field == 'ids' else 'float32'
            raise TypeError(
                f'{name}.decide must give {field} as {kind}, got {value.dtype}'
            )
    return found._replace(ids=found.ids.long())


def _one_by_one(
    refiner: nn.Module, pixels: Tensor, stacks: Tensor, labels: ImageLabels
) -> Tensor:
    """Labels compete: a stack at a time, without the slots an image doesn't use."""
    out = stacks.clone()
    for count, members in of_one_count(labels):
        for t in range(stacks.shape[1] if count else 0):
            prob = stacks[members, t, : count + 1]
            out[members, t, : count + 1] = refined(refiner, pixels[members], prob)
    return out


def of_one_count(labels: ImageLabels) -> Iterator[tuple[int, list[int]]]:
    """(number of classes, indices of the images that hold so many)."""
    counts = labels.mask.sum(1).tolist()
    for count in sorted(set(counts)):
        yield count, [i for i, one in enumerate(counts) if one == count]


def labels_of_ids(ids: Tensor) -> ImageLabels:
    """Labels of images of which only the class ids of the maps are known.

    Args:
        ids: (B, K) int64 class ids >= 1, in any order.
    """
    count = int(ids.max()) if ids.numel() else 0
    score = torch.zeros(len(ids), count + 1, device=ids.device)
    return ImageLabels(score.scatter(1, ids, 1.0)[:, 1:], ids, ids > 0)
