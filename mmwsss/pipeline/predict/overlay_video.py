# Licensed under Apache-2.0.
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.io.errors import UserError
from mmwsss.io.output_folder import claim_outputs

_CODEC = 'mp4v'  # in every build of OpenCV


class OverlayVideo:
    """An MP4 file of frames that come one by one; whole, or not there.

    Args:
        path: of the file, ``.mp4``.
        fps: frames in a second.

    Raises:
        UserError: if the name has another suffix.
    """

    def __init__(self, path: str | os.PathLike, fps: float) -> None:
        self.path, self.fps = Path(path), fps
        if self.path.suffix.lower() != '.mp4':
            raise UserError(f'videos are written as .mp4, got {self.path}')
        self.temporary = self.path.with_name(f'.{self.path.stem}.{os.getpid()}.tmp.mp4')
        self.writer: Any = None

    def add(self, frame: np.ndarray) -> None:
        """Add a frame.

        Args:
            frame: RGB (H, W, 3) uint8, all of one size.

        Raises:
            UserError: if this machine's OpenCV can't write the file.
        """
        import cv2  # slow to import

        if self.writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            height, width = frame.shape[:2]
            code = cv2.VideoWriter.fourcc(*_CODEC)
            self.writer = cv2.VideoWriter(
                str(self.temporary), code, self.fps, (width, height)
            )
            if not self.writer.isOpened():
                raise UserError(
                    f'OpenCV can not write {self.path} ({_CODEC}): write masks of the '
                    'frames instead'
                )
        self.writer.write(np.ascontiguousarray(frame[..., ::-1]))

    def __enter__(self) -> OverlayVideo:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if self.writer is not None:
            self.writer.release()
            if kind is None:
                os.replace(self.temporary, self.path)
        self.temporary.unlink(missing_ok=True)


def claim_video(
    folder: str | os.PathLike, name: str, video: str, option: str = '--out'
) -> Path:
    """A file for the overlay of a video, in a folder that is claimed for it.

    Args:
        folder: of the output.
        name: of the file.
        video: what it is made of.
        option: the tool's option that gives the folder.

    Raises:
        OutputError: if it would be written where it must not be.
    """
    read = [] if '://' in video else [video]
    return claim_outputs(folder, [(name, video)], read, option) / name
