# Licensed under Apache-2.0.
from __future__ import annotations

import logging

from mmengine.logging import print_log

from mmwsss.io.data_errors import UnreadableImageError


class UnreadableCount:
    """Counts unreadable files of a process, one warning each.

    Args:
        limit: how many may be replaced by other images.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.paths: set[str] = set()

    def add(self, error: UnreadableImageError) -> None:
        """Warn once per file.

        Raises:
            UnreadableImageError: when there are too many of them.
        """
        if error.path in self.paths:
            return
        self.paths.add(error.path)
        if len(self.paths) > self.limit:
            raise error
        print_log(
            f'{error} Another image takes its place (unreadable image '
            f'{len(self.paths)} of at most {self.limit} in this process).',
            logger='current',
            level=logging.WARNING,
        )
