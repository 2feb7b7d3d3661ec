# Licensed under Apache-2.0.
from __future__ import annotations

import numpy as np


class RunningMoments:
    """Means and squared deviations of pixels that come in parts, without cancellation.

    Source: Chan, Golub and LeVeque (1979), the update for two parts.
    """

    def __init__(self) -> None:
        self.pixels = 0
        self.count = self.mean = self.squares = np.zeros(1)
        self.low, self.high = np.full(1, np.inf), np.full(1, -np.inf)

    def add(self, flat: np.ndarray) -> None:
        """Add the pixels (P, N) float64 of a picture; those not finite don't count."""
        there = np.isfinite(flat)
        count = there.sum(0).astype(np.float64)
        mean = np.sum(flat, 0, where=there) / np.maximum(count, 1)
        squares = np.sum((flat - mean) ** 2, 0, where=there)
        both = np.maximum(self.count + count, 1)
        apart = mean - self.mean
        self.squares = self.squares + squares + apart**2 * self.count * count / both
        self.mean = self.mean + apart * count / both
        self.count, self.pixels = self.count + count, self.pixels + len(flat)
        self.low = np.minimum(self.low, flat.min(0, initial=np.inf, where=there))
        self.high = np.maximum(self.high, flat.max(0, initial=-np.inf, where=there))

    def result(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Mean, deviation, smallest and largest value of each band, (N,) each."""
        std = np.sqrt(self.squares / np.maximum(self.count, 1))
        return self.mean, std, self.low, self.high
