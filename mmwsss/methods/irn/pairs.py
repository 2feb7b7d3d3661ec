# Licensed under Apache-2.0.
"""Labels of neighbouring pairs of pixels, from a label map."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.cam import IGNORE
from mmwsss.ops import pair_offsets
from mmwsss.ops.paths import check_pair_grid

#: labels of a pair: of two classes; both of one foreground class; both background
DIFFERENT, SAME_FOREGROUND, SAME_BACKGROUND = 0, 1, 2


def pair_targets(label: Tensor, radius: int, num_classes: int) -> Tensor:
    """What kind of pair each pixel makes with its neighbours (IRNet, section 4.2).

    Args:
        label: (B, h, w) integers, class ids with 0 = background.
        radius: neighbours nearer than this, in cells of the grid.
        num_classes: C + 1; pairs of which one label is not below it don't count.

    Returns:
        (B, m, h - radius + 1, w - 2 * radius + 2) uint8, pairs in the order of
        :func:`mmwsss.ops.pair_affinity`: 0 different classes, 1 the same foreground
        class, 2 both background, 255 does not count.

    Raises:
        ValueError: if the grid is too small for the radius.
    """
    height, width = label.shape[-2:]
    check_pair_grid((height, width), radius)
    rows, left, columns = height - radius + 1, radius - 1, width - 2 * radius + 2
    small = torch.where(label < num_classes, label, IGNORE).to(torch.uint8)
    near = small[:, None, :rows, left : left + columns]
    views = [
        small[:, y : y + rows, left + x : left + x + columns]
        for y, x in pair_offsets(radius)
    ]
    far = torch.stack(views, 1) if views else near[:, :0]
    kind = (far == near).to(torch.uint8)
    kind += kind * (near == 0)
    return kind.masked_fill_((far == IGNORE) | (near == IGNORE), IGNORE)


def grid_label(label: Tensor, grid: tuple[int, int]) -> Tensor:
    """Pixel labels (B, H, W) at the centre of each cell of a grid (h, w).

    Row floor((k + 1/2) H / h), as PIL's nearest filter takes it (IRNet, SemFormer);
    :func:`~mmwsss.cam.token_label` takes a cell's first row.
    """
    small = F.interpolate(label[:, None].float(), grid, mode='nearest-exact')
    return small[:, 0].to(label.dtype)
