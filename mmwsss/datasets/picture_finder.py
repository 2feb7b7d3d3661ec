# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmwsss.io.data_errors import LabelError, UnreadableImageError
from mmwsss.io.image_files import FileFinder, like_it, share_missing
from mmwsss.io.wording import setting


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
            share = share_missing(len(self.missing), count, 'images')
            fix = self._fix(len(self.missing) * 2 > count)
            raise UnreadableImageError(
                self.missing[0], f'it is not there: {share}', fix
            )
        if self.ambiguous:
            one, other = self.ambiguous[0]
            raise LabelError(
                self.root,
                f'holds {one} and {other} for one name of the labels; both would share '
                'one output',
                'write the name with its suffix, rename one, or take it out',
            )

    def _fix(self, most: bool) -> str:
        """What to do about missing pictures, of which one or most are."""
        near = like_it(self.missing[0])
        if near:
            return (
                f'there is {near}: write the names as the files have them (the '
                'suffix may be left out), below the folder of the images'
            )
        if most:
            return (
                f'check {setting("data_root")} and {setting("data_prefix.img_path")}, '
                'the folder of the images that the names are below'
            )
        option = setting('missing', 'leave-out')
        or_so = f', or leave them out by {option}' if option.startswith('-') else ''
        return f'get what is missing, or take it out of the labels{or_so}'
