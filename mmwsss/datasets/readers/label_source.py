# Licensed under Apache-2.0.
from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmwsss.io.data_errors import LabelError
from mmwsss.io.findings import Findings
from mmwsss.io.image_files import IMAGE_SUFFIXES

from .decoding import read_decoded

if TYPE_CHECKING:
    from .columns import Columns


class LabelSource:
    """A label file or folder, read and parsed once for all who look at it.

    Args:
        path: of the file or folder.
        beside: folders of masks, in which no pictures are looked for.
        findings: gets what is refused without hindering the reading.
        folder: the image folder; ``None``: unknown.
        columns: which columns or keys the user says that hold what.

    Attributes:
        notes: what was converted or passed over while reading, for the log.
        fillers: labels that say nothing of a class, as ``nan``, counted.
        left_out: pictures and files that aren't taken, counted by (suffix, reason).
        aliases: another name that a picture may have on the disk, by its name.
        label_like: files of a folder that may hold labels, and aren't read.
        declared: classes that it names, though perhaps of no picture.
    """

    def __init__(
        self,
        path: str,
        beside: Sequence[str] = (),
        findings: Findings | None = None,
        folder: str | None = None,
        columns: Columns | None = None,
    ) -> None:
        self.path = path
        self.findings = findings or Findings()
        self.folder, self.columns = folder, columns
        self._beside = {os.path.realpath(folder) for folder in beside}
        self.is_folder = Path(path).is_dir()
        self.suffix = Path(path).suffix.lower()
        self.notes: list[str] = []
        self.fillers: Counter[str] = Counter()
        self.left_out: Counter[tuple[str, str]] = Counter()
        self.aliases: dict[str, str] = {}
        self.label_like: list[str] = []
        self.declared: list[str] = []

    def passes_over(self, folder: str) -> bool:
        """Whether a folder is one of masks."""
        return bool(self._beside) and os.path.realpath(folder) in self._beside

    def has_picture(self, name: str) -> bool:
        """Whether a file of this name lies in the image folder; asks the disk."""
        return self.folder is not None and any(
            os.path.isfile(os.path.join(self.folder, name + suffix))
            for suffix in ('', *IMAGE_SUFFIXES)
        )

    @cached_property
    def text(self) -> str:
        """The whole text, without a byte order mark.

        Raises:
            LabelError: if it is no text.
        """
        text, said = read_decoded(self.path)
        if said:
            self.notes.append(said)
        return text

    @cached_property
    def begin(self) -> str:
        """The first character that isn't blank; '' for a folder or an empty file."""
        return '' if self.is_folder else self.text[:4096].lstrip()[:1]

    @property
    def is_empty(self) -> bool:
        """Whether a file holds nothing but blanks."""
        return not self.is_folder and not Path(self.path).read_bytes().strip()

    @cached_property
    def json(self) -> Any:
        """The content of a JSON file.

        Raises:
            LabelError: if it is none, or has a key twice.
        """
        try:
            return json.loads(self.text, object_pairs_hook=self.no_key_twice)
        except json.JSONDecodeError as err:
            raise LabelError(
                self.path, f'is not valid JSON ({err})', 'correct it'
            ) from err

    def no_key_twice(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """A dict; JSON readers keep the last of two entries without a word."""
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(k for k, n in Counter(k for k, _ in pairs).items() if n > 1)
            raise LabelError(
                self.path,
                f'has the key {twice!r} twice in one object',
                'keep one entry with all classes of the image',
            )
        return found

    @cached_property
    def xml(self) -> ElementTree.Element:
        """The root of an XML file.

        Raises:
            LabelError: if it is none.
        """
        try:
            return ElementTree.fromstring(self.text)
        except ElementTree.ParseError as err:
            raise LabelError(
                self.path, f'is not valid XML ({err})', 'export it again'
            ) from err
