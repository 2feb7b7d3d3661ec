# Licensed under Apache-2.0.
from __future__ import annotations

from dataclasses import dataclass

from mmwsss.io.errors import UserError, check_choice

SHAPES = ('polygon', 'rle')


@dataclass(frozen=True)
class ExportMasksCfg:
    """What becomes of the pixels of a class.

    Attributes:
        classes: names of the ids 1..C.
        joined: one object a class and picture; else one for each connected region.
        min_area: regions of fewer pixels are left out.
        tolerance: of polygons, see :func:`.polygons_of`.
        shape: ``'polygon'`` or, for COCO alone, ``'rle'``.
    """

    classes: tuple[str, ...]
    joined: bool = False
    min_area: int = 1
    tolerance: float = 0.5
    shape: str = 'polygon'

    def __post_init__(self) -> None:
        check_choice('--shape', self.shape, SHAPES)
        if not self.classes or len(set(self.classes)) < len(self.classes):
            raise UserError(
                'the classes must be names of the ids 1, 2, ..., each once, without '
                f'background; got {list(self.classes)}'
            )
        if self.min_area < 1 or not 0 <= self.tolerance < 100:
            raise UserError(
                '--min-area must be 1 pixel or more, and --tolerance 0 to 100 pixels; '
                f'got {self.min_area} and {self.tolerance}'
            )
