# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mmwsss.cam import resize
from mmwsss.registry import MODELS


class Refiner(nn.Module):
    """What makes probabilities follow the edges of their picture.

    A refiner is registered in ``MODELS``. It need not inherit from this class: what
    counts are :meth:`forward` and the two attributes.

    Attributes:
        downscale: the grid that the refiner is published on, in pixels of the picture:
            2 is half its height and width.
        per_channel: each channel is refined for itself, whatever the others are. Maps
            of two backgrounds then go through together, as channels.
    """

    downscale: int = 1
    per_channel: bool = False

    def forward(self, pixels: Tensor, prob: Tensor) -> Tensor:
        """Refine probabilities.

        Args:
            pixels: (B, 3, H, W) RGB grey levels 0..255 of the pictures at their size.
            prob: (B, L, h, w) probabilities on a grid of their own. A refiner treats
                the pictures first, then resizes them to this grid.

        Returns:
            (B, L, h, w) float32, the larger the likelier; rows need not sum to 1.
        """
        raise NotImplementedError


def build_refiner(refiner: dict[str, Any] | nn.Module | None) -> nn.Module | None:
    """Build a refiner and check that it is one.

    What it holds is its own: no checkpoint of a model has it, and nothing trains it.

    Args:
        refiner: its config, or the module itself, or ``None``.

    Raises:
        ValueError: if the module refines no probabilities.
    """
    if refiner is None:
        return None
    built = isinstance(refiner, nn.Module)
    module: nn.Module = refiner if built else MODELS.build(dict(refiner))
    downscale = getattr(module, 'downscale', None)
    whole = isinstance(downscale, int) and downscale >= 1
    if whole and isinstance(getattr(module, 'per_channel', None), bool):
        module.requires_grad_(False)
        return without_keys(module)
    name = type(module).__name__
    if callable(getattr(getattr(module, 'network', None), 'walk', None)):
        raise ValueError(
            f'{name} moves class maps before they have a background, it refines no '
            f"probabilities: use labeler=dict(type='RandomWalkLabeler', walk=dict("
            f"type='{name}', ...), labeler=dict(...)) instead of refiner={name}"
        )
    raise ValueError(
        f'{name} refines no probabilities: a refiner has a whole number downscale >= 1 '
        f'(got {downscale!r}) and a bool per_channel '
        f'(got {getattr(module, "per_channel", None)!r}), see Refiner'
    )


def without_keys(module: nn.Module) -> nn.Module:
    """The module, whose buffers and weights no checkpoint of a model saves or sets.

    Args:
        module: a part that is whole once it is built.
    """
    if drop_keys not in module._state_dict_hooks.values():
        module.register_state_dict_post_hook(drop_keys)
        module.register_load_state_dict_pre_hook(keep_values)
    return module


def drop_keys(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Saved keys: without those of the module."""
    for key in [key for key in state if key.startswith(prefix)]:
        del state[key]


def keep_values(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Loaded keys: in the place of the file's, what the module has already."""
    drop_keys(module, state, prefix)
    for name, part in module.named_modules():
        for key, value in (*part._parameters.items(), *part._buffers.items()):
            if value is not None and key not in part._non_persistent_buffers_set:
                state[prefix + (f'{name}.' if name else '') + key] = value


def refiner_grid(refiner: nn.Module | None, size: tuple[int, int]) -> tuple[int, int]:
    """(h, w), at least 1 x 1, that a refiner is published on for pictures (H, W)."""
    downscale = 1 if refiner is None else refiner.downscale
    height, width = (max(side // downscale, 1) for side in size)
    return height, width


def refine_maps(refiner: nn.Module | None, pixels: Tensor, prob: Tensor) -> Tensor:
    """Probabilities at the size of the pictures, refined on the refiner's grid.

    Args:
        refiner: the refiner; ``None`` changes nothing.
        pixels: (B, 3, H, W) RGB grey levels 0..255.
        prob: (B, L, H, W).

    Returns:
        (B, L, H, W) float32.
    """
    if refiner is None:
        return prob
    size = tuple(prob.shape[-2:])
    small = resize(prob, refiner_grid(refiner, size))
    return resize(refined(refiner, pixels, small), size)


def refined(refiner: nn.Module, pixels: Tensor, prob: Tensor) -> Tensor:
    """What a refiner makes of maps; refused unless it keeps their shape.

    Args:
        refiner: the refiner.
        pixels: (B, 3, H, W) RGB grey levels 0..255.
        prob: (B, L, h, w) on the refiner's grid.

    Raises:
        ValueError: if it gives maps of another shape.
    """
    found: Tensor = refiner(pixels, prob)
    if not isinstance(found, Tensor) or found.shape != prob.shape:
        got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(
            f'{type(refiner).__name__} must return probabilities of the shape that it '
            f'is given, {tuple(prob.shape)}, got {got}'
        )
    return found


def refiner_names() -> tuple[str, ...]:
    """The names of all refiners that are registered."""
    MODELS.import_from_location()
    return tuple(
        sorted(
            name
            for name, kind in MODELS.module_dict.items()
            if hasattr(kind, 'downscale') and hasattr(kind, 'per_channel')
        )
    )
