# Licensed under Apache-2.0.
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MULTIPLE = 16


@dataclass(frozen=True)
class WalkCfg:
    """How an edge network walks: the entries of its ``test_cfg``.

    Attributes:
        radius: pixels of the grid nearer than this exchange scores.
        beta: power of the affinity.
        num_squarings: binary logarithm of the number of steps.
        pad_to: side of the canvas, in pixels, on which images are laid (published:
            512); larger sides, and all of them for ``None``, go up to the next multiple
            of 16. Group norm sees the padding, so edges depend on it.
    """

    radius: int = 5
    beta: float = 10
    num_squarings: int = 8
    pad_to: int | None = None

    def canvas(self, size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of the canvas of an image (H, W)."""
        least = self.pad_to or 0
        height, width = (max(least, -(-side // MULTIPLE) * MULTIPLE) for side in size)
        return height, width

    @property
    def steps(self) -> dict[str, Any]:
        """The arguments of the walk itself."""
        return dict(
            radius=self.radius, beta=self.beta, num_squarings=self.num_squarings
        )
