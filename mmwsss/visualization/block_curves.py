# Licensed under Apache-2.0.
from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image


def block_picture(
    rows: Mapping[str, Sequence[Sequence[float]]], ylabel: str, ylim: Sequence[float]
) -> np.ndarray:
    """Values by block of a ViT: a line through the means, a dot for each head.

    Args:
        rows: network → for each block its values; one value: the line alone.
        ylabel: what is shown.
        ylim: lowest and highest value of the axis.

    Returns:
        RGB (H, W, 3) uint8.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), dpi=100, layout='constrained')
    FigureCanvasAgg(figure)
    axis = figure.add_subplot()
    for number, (name, blocks) in enumerate(rows.items()):
        at = np.arange(1, len(blocks) + 1)
        colour = f'C{number}'
        axis.plot(at, [np.mean(b) for b in blocks], '-o', color=colour, label=name)
        dots = [(x, v) for x, b in zip(at, blocks) if len(b) > 1 for v in b]
        if dots:
            shift = 0.12 * (number - (len(rows) - 1) / 2)
            places, values = zip(*dots)
            axis.scatter(np.array(places) + shift, values, 12, color=colour, alpha=0.5)
    axis.set(xlabel='block', ylabel=ylabel, ylim=ylim)
    axis.grid(alpha=0.25)
    axis.legend(fontsize=9, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png')
    return np.asarray(Image.open(buffer).convert('RGB'))
