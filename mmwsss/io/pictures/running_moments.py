# Licensed under Apache-2.0.
from __future__ import annotations

import numpy as np


class RunningMoments:
    """Means and squared deviations of pixels that come in parts, without cancellation.

    Source: Chan, Golub and LeVeque (1979), the update for two parts.
    """

    def __init__(self) -> None:
        self.pixels = 0
        self.count: np.ndarray | None = None

    def add(self, flat: np.ndarray) -> None:
        """Add the pixels (P, N) float64 of a picture."""
        self.pixels += len(flat)
        flat = np.where(np.isfinite(flat), flat, np.nan)
        count = np.isfinite(flat).sum(0).astype(np.float64)
        there = np.maximum(count, 1)
        mean = np.nansum(flat, 0) / there
        squares = np.nansum((flat - mean) ** 2, 0)
        low = np.min(flat, 0, initial=np.inf, where=np.isfinite(flat))
        high = np.max(flat, 0, initial=-np.inf, where=np.isfinite(flat))
        if self.count is None:
            self.count, self.mean, self.squares = count, mean, squares
            self.low, self.high = low, high
            return
        both = np.maximum(self.count + count, 1)
        apart = mean - self.mean
        self.squares = self.squares + squares + apart**2 * self.count * count / both
        self.mean = self.mean + apart * count / both
        self.count = self.count + count
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)

    def result(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Mean, deviation, smallest and largest value of each band."""
        assert self.count is not None  # there is at least one picture
        std = np.sqrt(self.squares / np.maximum(self.count, 1))
        return self.mean, std, self.low, self.high
