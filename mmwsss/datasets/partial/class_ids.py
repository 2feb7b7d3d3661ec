# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence

from mmwsss.datasets.image_names import label_name
from mmwsss.datasets.readers.vocabulary import name_key
from mmwsss.io.data_errors import LabelError


class ClassIds:
    """Ids of classes by what people write for them.

    Args:
        classes: background first.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = list(map(label_name, classes))
        self._ids = {
            **{str(i): i for i in range(len(self.classes))},
            **{name_key(name): i for i, name in enumerate(self.classes)},
            **{name: i for i, name in enumerate(self.classes)},
        }

    def find(self, label: str, where: str) -> int:
        """The id of a class that is named, or given by its id.

        Args:
            label: as somebody wrote it.
            where: it stands, for the error.

        Raises:
            LabelError: if there is no such class.
        """
        found = self._ids.get(label_name(label), self._ids.get(name_key(label)))
        if found is None:
            raise LabelError(
                where,
                f'names the class {label!r}',
                f'use one of {self.classes}, or its id',
            )
        return found
