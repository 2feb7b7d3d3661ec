# Licensed under Apache-2.0.
"""Labels from class activation maps: thresholds, boxes, affinity targets."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .fusion import resize

IGNORE = 255


def strongest_class(cam: Tensor, ids: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The strongest class at every pixel (lowest class id wins ties).

    Args:
        cam: (B, K, H, W) CAM times image label, in [0, 1]; K may be 0.
        ids: (B, K) class ids of the channels; ``None``: channel k is class k + 1.

    Returns:
        score (B, H, W) float: the maximum over classes, 0 without any; label (B, H, W)
        int64: its class id (0 only where a slot is unused or there is none).
    """
    if not cam.shape[1]:  # the maps of an image that holds no class
        score = cam.new_zeros((len(cam), *cam.shape[2:]))
        return score, score.long()
    score, slot = cam.max(dim=1)
    if ids is None:
        return score, slot + 1
    return score, ids.gather(1, slot.flatten(1)).view_as(slot)


def threshold_label(score: Tensor, label: Tensor, bkg_thr: float) -> Tensor:
    """Evaluation label: the class, or 0 where ``score <= bkg_thr``.

    Args:
        score, label: (B, H, W) from :func:`strongest_class`.
        bkg_thr: background threshold in [0, 1] (0.5 on VOC, 0.45 on COCO).

    Returns:
        (B, H, W) int64.
    """
    return torch.where(score > bkg_thr, label, 0)


def three_way_label(
    score: Tensor,
    label: Tensor,
    low_thr: float,
    high_thr: float,
    box: Tensor | None = None,
) -> Tensor:
    """Background, class or ignore (ToCo, Eq. 5).

    0 where ``score <= low_thr``; 255 where ``low_thr < score <= high_thr``; the class
    above; 255 outside the box.

    Args:
        score, label: (B, H, W) from :func:`strongest_class`.
        low_thr, high_thr: thresholds, 0 <= low <= high <= 1.
        box: (B, 4) half-open (y0, y1, x0, x1) of the real pixels **in units of this
            map**, or ``None`` (everything is real).

    Returns:
        (B, H, W) int64.

    Raises:
        ValueError: if the thresholds aren't ordered.
    """
    check_thresholds(low_thr, high_thr)
    out = label.masked_fill(score <= high_thr, IGNORE)
    out = out.masked_fill(score <= low_thr, 0)
    return outside_box_to_ignore(out, box)


def check_thresholds(low_thr: float, high_thr: float) -> None:
    """Raise ValueError unless ``0 <= low_thr <= high_thr <= 1``."""
    if not 0 <= low_thr <= high_thr <= 1:
        raise ValueError(
            'thresholds must satisfy 0 <= low_thr <= high_thr <= 1, got '
            f'low_thr={low_thr}, high_thr={high_thr}'
        )


def box_mask(box: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks of boxes.

    Args:
        box: (B, 4) half-open (y0, y1, x0, x1).
        size: (H, W).

    Returns:
        (B, H, W) bool, True inside.
    """
    y = torch.arange(size[0], device=box.device)[None, :, None]
    x = torch.arange(size[1], device=box.device)[None, None, :]
    y0, y1, x0, x1 = box[:, :, None, None].unbind(1)
    return (y >= y0) & (y < y1) & (x >= x0) & (x < x1)


def outside_box_to_ignore(label: Tensor, box: Tensor | None) -> Tensor:
    """Set what lies outside the boxes to 255; label (B, H, W), box (B, 4) or None."""
    if box is None:
        return label
    return label.masked_fill(~box_mask(box, tuple(label.shape[-2:])), IGNORE)


def keep_known(ids: Tensor, partial: Tensor | None) -> Tensor:
    """A pseudo label with what is known for certain: known pixels take their class.

    Args:
        ids: (..., H, W) pseudo label, whole numbers 0..C and 255.
        partial: (..., H, W) whole numbers, 0..C where a pixel is known, 255 elsewhere;
            ``None``: nothing is.

    Returns:
        (..., H, W) of the type of ``ids``.

    Raises:
        ValueError: if the shapes differ.
    """
    if partial is None:
        return ids
    if partial.shape != ids.shape:
        raise ValueError(
            f'a pseudo label {tuple(ids.shape)} and what is known of it '
            f'{tuple(partial.shape)} must have one shape'
        )
    return torch.where(partial == IGNORE, ids, partial.to(ids.dtype))


def scale_box(
    box: Tensor, size: tuple[int, int], to: tuple[int, int], floor: bool = False
) -> Tensor:
    """Convert boxes from one grid to another, keeping whole cells only.

    Args:
        box: (B, 4) (y0, y1, x0, x1) on a grid of ``size``.
        size, to: (H, W) of the two grids.
        floor: round the near edge down too (SemFormer as released): the cell that it
            cuts counts as inside.

    Returns:
        (B, 4) int64: a cell of ``to`` is inside if all of it is.
    """
    # Whole numbers: a rounded ratio would lose cells, and a tensor of ratios would
    # make a GPU wait for its copy.
    (y0, y1), (x0, x1) = box[:, :2].long().unbind(1), box[:, 2:].long().unbind(1)
    (height, width), (rows, cols) = size, to
    if floor:
        return torch.stack(
            [
                y0 * rows // height,
                y1 * rows // height,
                x0 * cols // width,
                x1 * cols // width,
            ],
            1,
        )
    return torch.stack(
        [
            -(-y0 * rows // height),
            y1 * rows // height,
            -(-x0 * cols // width),
            x1 * cols // width,
        ],
        1,
    )


def window_mask(
    grid: tuple[int, int], radius: int, device: torch.device | str = 'cpu'
) -> Tensor:
    """Which pairs of tokens are near each other (AFA, CVPR 2022).

    Args:
        grid: (h, w) of the token map; tokens are numbered row by row.
        radius: largest distance in tokens, in y and in x (a square window).
        device: where the mask is wanted.

    Returns:
        (hw, hw) bool, symmetric, True on the diagonal.

    Raises:
        ValueError: if the radius is negative.
    """
    if radius < 0:
        raise ValueError(f'radius must be >= 0 tokens, got {radius}')
    near_y, near_x = (
        (steps[:, None] - steps).abs() <= radius
        for steps in (torch.arange(side, device=device) for side in grid)
    )
    return (
        (near_y[:, None, :, None] & near_x[None, :, None, :]).flatten(2).flatten(0, 1)
    )


def affinity_targets(
    label: Tensor, window: Tensor | None = None, self_pairs: bool = False
) -> Tensor:
    """Pair labels of tokens (ToCo, section 3.2; AFA).

    Args:
        label: (B, h, w) token labels, 255 = ignore.
        window: (hw, hw) bool, the pairs that count (:func:`window_mask`), or ``None``:
            all (ToCo).
        self_pairs: whether a token with itself counts (AFA) or not (ToCo).

    Returns:
        (B, hw, hw) uint8: 255 if either token is ignored or the pair doesn't count,
        else 1 where the labels are equal (background with background too), else 0.
    """
    flat = label.flatten(1)
    same = (flat[:, :, None] == flat[:, None, :]).to(torch.uint8)
    ignored = flat == IGNORE
    drop = ignored[:, :, None] | ignored[:, None, :]
    if window is not None:
        drop = drop | ~window
    if not self_pairs:
        drop = drop | torch.eye(flat.shape[1], dtype=torch.bool, device=label.device)
    return same.masked_fill_(drop, IGNORE)


def label_on_grid(label: Tensor, grid: tuple[int, int]) -> Tensor:
    """Pixel labels (B, H, W) on a token grid (h, w), nearest: row floor(k H / h)."""
    small = F.interpolate(label[:, None].float(), grid, mode='nearest')
    return small[:, 0].to(label.dtype)


def label_shares(label: Tensor, box: Tensor | None = None) -> dict[str, Tensor]:
    """Shares of foreground, background and ignored pixels inside the boxes.

    Args:
        label: (B, H, W) with 255 = ignore.
        box: (B, 4) or ``None``.

    Returns:
        ``label_fg``, ``label_bg``, ``label_ignore``: 0-dim float tensors that sum to 1.
    """
    inside = (
        torch.ones_like(label, dtype=torch.bool)
        if box is None
        else box_mask(box, tuple(label.shape[-2:]))
    )
    total = inside.sum().clamp_min(1)
    background = ((label == 0) & inside).sum() / total
    ignored = ((label == IGNORE) & inside).sum() / total
    return dict(
        label_fg=1 - background - ignored, label_bg=background, label_ignore=ignored
    )


def token_label(
    cam: Tensor,
    ids: Tensor,
    grid: tuple[int, int],
    thresholds: tuple[float, float],
    box: Tensor | None = None,
    scaled_box: bool = True,
) -> Tensor:
    """Labels of tokens from a CAM, resized to their grid.

    Args:
        cam: (B, K, H, W) compact CAM in [0, 1].
        ids: (B, K) class ids of its channels.
        grid: (h, w) of the tokens.
        thresholds: low and high, see :func:`three_way_label`.
        box: (B, 4) real pixels, or ``None``.
        scaled_box: ``False`` applies the box in pixels to the token grid (ToCo as
            released).

    Returns:
        (B, h, w) int64, 255 = ignore.
    """
    if box is not None and scaled_box:
        box = scale_box(box, tuple(cam.shape[-2:]), grid)
    score, label = strongest_class(resize(cam, grid), ids)
    return three_way_label(score, label, *thresholds, box)


def token_pairs(
    cam: Tensor,
    ids: Tensor,
    grid: tuple[int, int],
    thresholds: tuple[float, float],
    box: Tensor | None = None,
    scaled_box: bool = True,
) -> Tensor:
    """Pair targets of L_ptc (ToCo, section 3.2) from the auxiliary CAM.

    Args:
        cam, ids, grid, thresholds, box, scaled_box: see :func:`token_label`.

    Returns:
        (B, hw, hw) uint8, see :func:`affinity_targets`.
    """
    return affinity_targets(token_label(cam, ids, grid, thresholds, box, scaled_box))
