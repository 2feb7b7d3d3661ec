# Licensed under Apache-2.0.
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from mmseg.structures import SegDataSample

from mmwsss.structures import StoredMaps


@dataclass(eq=False)
class PhotoPrediction:
    """What is predicted of one picture of (H, W).

    Attributes:
        name: of its outputs, without suffix.
        path: its file; ``None`` of an array or a frame.
        size: (H, W).
        mask: (H, W) uint8 class ids, 0 = background; of a network without a decoder its
            pseudo label, 255 = undecided; ``None`` where it has neither.
        confidence: (H, W) float32 in [0, 1]: the probability of the likeliest class.
            Of a network without a decoder the share of the strongest class in the CAMs,
            the background's being 1 minus the strongest CAM.
        scores: class → probability in [0, 1] that the picture holds it; empty for
            models that don't classify pictures.
        cam: class maps in [0, 1] of the classes that are predicted, if asked for:
            (K, h, w) float32 and their ids.
        prob: probabilities (C + 1, h, w) float32 of all classes, if asked for.
        stride: pixels of the picture that a pixel of ``cam`` and ``prob`` stands for:
            1, or 4 of large pictures.
        pseudo: (H, W) uint8 pseudo label, 255 = undecided, if asked for.
        seg_logits: (C + 1, H, W) float32, if asked for.
        panel: RGB (h, w, 3) uint8, if asked for.
        sample: what the model gave.
    """

    name: str
    path: str | None
    size: tuple[int, int]
    mask: np.ndarray | None = None
    confidence: np.ndarray | None = None
    scores: dict[str, float] = field(default_factory=dict)
    cam: StoredMaps | None = None
    prob: StoredMaps | None = None
    stride: int = 1
    pseudo: np.ndarray | None = None
    seg_logits: np.ndarray | None = None
    panel: np.ndarray | None = None
    sample: SegDataSample | None = None

    @property
    def present(self) -> list[str]:
        """The classes that the picture is predicted to hold, above 0.5."""
        return [name for name, score in self.scores.items() if score > 0.5]
