# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmwsss.io.data_errors import LabelError, UnreadableImageError
from mmwsss.io.image_files import FileFinder, like_it


class PictureFinder(FileFinder):
    """Finds the pictures of a data set.

    Args:
        root: the image folder.
        listed: look at the disk at all.
        aliases: another name that a picture may have there, by its name.
    """

    def __init__(self, root: str, listed: bool, aliases: Mapping[str, str]) -> None:
        super().__init__(root, listed)
        self.aliases = aliases

    def find(self, name: str, suffixes: str | Sequence[str]) -> str:
        """Path of a picture, by its other name where the first isn't there."""
        if name in self.aliases:
            path = self.there(name, suffixes)
            if path is not None:
                return path
            name = self.aliases[name]
        return super().find(name, suffixes)

    def refuse(self, count: int) -> None:
        """Refuse absent pictures, and names that fit two.

        Args:
            count: how many were looked for.

        Raises:
            UnreadableImageError: naming the first that is missing.
            LabelError: naming the first two that share a name.
        """
        if self.missing:
            near = like_it(self.missing[0])
            fix = (
                'check data_root and data_prefix.img_path, the folder of the images '
                'below data_root (folder.py: --images)'
            )
            if near:
                fix = (
                    f'there is {near}: write the names as the files have them (the '
                    'suffix may be left out), below the folder of the images'
                )
            raise UnreadableImageError(
                self.missing[0],
                f'missing, with {len(self.missing) - 1} other images of {count}',
                fix,
            )
        if self.ambiguous:
            one, other = self.ambiguous[0]
            raise LabelError(
                self.root,
                f'holds {one} and {other} for one name of the labels; both would share '
                'one output',
                'write the name with its suffix, rename one, or take it out',
            )
