# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from mmengine.dataset import pseudo_collate
from torch.utils.data import Dataset

from mmwsss.io.data_errors import UnreadableImageError


class Unreadable(NamedTuple):
    """Stands for a picture that can't be read.

    Attributes:
        name: of its outputs.
        message: what is wrong with it.
    """

    name: str
    message: str


class ReadablePictures(Dataset):
    """A data set in which an unreadable picture is an item that says so.

    One among a thousand then doesn't stop the others.

    Args:
        dataset: in test mode, where it raises.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        """The item, or why there is none."""
        try:
            return self.dataset[index]
        except UnreadableImageError as error:
            name = self.dataset.get_data_info(index)['img_id']
            return Unreadable(name, str(error))


def collate_readable(
    items: Sequence[Any],
) -> tuple[dict[str, Any] | None, list[Unreadable]]:
    """The collated items that can be read (``None``: there is none), and the others."""
    failed = [item for item in items if isinstance(item, Unreadable)]
    whole = [item for item in items if not isinstance(item, Unreadable)]
    return (pseudo_collate(whole) if whole else None), failed
