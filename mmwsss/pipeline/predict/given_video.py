# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.io.data_errors import DataError

from .given_picture import GivenPicture

#: of the files that are read as videos
VIDEO_SUFFIXES = (
    *('.mp4', '.m4v', '.mov', '.avi', '.mkv', '.webm', '.mpg', '.mpeg', '.wmv'),
)


class GivenVideo:
    """A video that was given to be predicted: its frames are pictures.

    Args:
        path: of the file, or its URL.
        name: of its outputs; default: that of the file, without suffix.

    Raises:
        DataError: if no frame can be read.
    """

    def __init__(self, path: str, name: str | None = None) -> None:
        self.path = path
        self.name = Path(path).stem if name is None else name
        video = self._open()
        self.fps: float = video.fps or 25.0
        self.count = video.frame_cnt
        if video.opened and self.count < 1:  # a stream doesn't say its length
            self.count = sum(1 for _ in iter(video.vcap.grab, False))
        if not video.opened or self.count < 1:
            raise DataError(
                path,
                'cannot be read as a video',
                'convert it to MP4 (ffmpeg -i FILE out.mp4), or check that it is whole',
            )

    def _open(self) -> Any:
        from mmcv.video import VideoReader  # slow to import

        try:
            return VideoReader(self.path)
        except FileNotFoundError as error:
            raise DataError(self.path, 'is not there', 'correct the path') from error

    def names(self) -> list[str]:
        """Of the frames: ``NAME/000000``."""
        return [f'{self.name}/{number:06d}' for number in range(self.count)]

    def frames(self) -> Iterator[GivenPicture]:
        """The frames, RGB (H, W, 3) uint8, one after the other."""
        for name, frame in zip(self.names(), self._open()):
            yield GivenPicture(name, np.ascontiguousarray(frame[..., ::-1]))

    def __len__(self) -> int:
        """Frames."""
        return self.count
