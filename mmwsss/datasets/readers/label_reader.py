# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterable

from .label_source import LabelSource
from .vocabulary import Vocabulary

#: an image name, and its class names; ``None``: the name stands there without a word
#: about its classes, while ``()`` says that it holds none
Entry = tuple[str, Iterable[str] | None]


class LabelReader:
    """How one form of label file is told and read.

    A reader is registered by ``@LABEL_READERS.register_module(name='form')`` in a
    module of :mod:`mmwsss.datasets.readers`, or in one that ``custom_imports`` names;
    ``label_format='form'`` then asks for it.

    Attributes:
        order: ``label_format='auto'`` asks readers of a lower one first.
    """

    order = 50

    def fits(self, source: LabelSource) -> bool:
        """Whether the file or folder has this form, by suffix and content."""
        raise NotImplementedError

    def read(self, source: LabelSource, known: Vocabulary) -> Iterable[Entry]:
        """The images in their order; one that comes twice has the classes of both.

        Args:
            source: the file; ``notes``, ``left_out`` and ``aliases`` may be added to.
            known: the labels that the data set knows.

        Raises:
            LabelError: naming the file, what was seen and the fix.
        """
        raise NotImplementedError
