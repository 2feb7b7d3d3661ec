# Licensed under Apache-2.0.
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from mmengine import fileio
from mmengine.structures import PixelData

from mmwsss.datasets.transforms import functional as F
from mmwsss.io.data_errors import DataError, SideInputError, UnreadableImageError
from mmwsss.io.image_files import picture_size
from mmwsss.io.pictures.broken import first_bytes, what_it_is

from .exif_masks import turned_hint


class SideInputKind(ABC):
    """What is done with the files of one kind of dense side input.

    A kind of another package is a subclass in a module that the config names in
    ``custom_imports``; a declaration finds it by its registered name::

        @SIDE_INPUT_KINDS.register_module(name='depth')
        class DepthKind(SideInputKind): ...

    ``load``, ``resize`` and ``pack`` have to be written. An array has its height and
    width as the first two axes, unless ``flip`` and ``crop`` are written too.

    Entries of a declaration besides ``dir``, ``root``, ``suffix`` and ``kind`` are
    keyword arguments of the kind.

    Attributes:
        suffixes: of the files, tried in order, where the declaration has no ``suffix``.
        error: class of the errors about a file.
        source: what to do about missing files, after "check the folder, or ...".
        outside: value where a crop shows no picture; ``None``: the ``ignore_index``
            of the transform that crops.
        label_map: whether the array is a map of ids, (H, W), that mmseg's own
            transforms shall carry along too.
        optional: whether an image whose file isn't there has none, instead of being
            refused; ``load`` then gives what stands for it.
    """

    suffixes: ClassVar[tuple[str, ...]] = ('.png',)
    error: ClassVar[type[DataError]] = SideInputError
    source: ClassVar[str] = 'make one of every image of the list'
    outside: int | None = 0
    label_map: ClassVar[bool] = False
    optional: bool = False

    # ------------------------------------------------------------------ files
    def has_file(self, info: Mapping[str, Any]) -> bool:
        """Whether there must be a file for this image (by default: yes).

        Args:
            info: of the data set's list: ``img_path``, ``gt_labels``, ...
        """
        return True

    def check(self, path: str, info: Mapping[str, Any]) -> None:
        """Check a file before training, by its header: all files of a list are.

        Args:
            path: the file.
            info: of its image, as in :meth:`has_file`.

        Raises:
            DataError: if it doesn't fit its image; by default, if it isn't a picture
                of the same size.
        """
        try:
            size = picture_size(path)
        except UnreadableImageError as err:
            _, fix = what_it_is(first_bytes(path), err, 'write it again')
            raise self.error(path, f'cannot be read ({err.cause})', fix) from err
        wanted = picture_size(info['img_path'], info.get('picture'))
        self.check_size(path, size, info, wanted)

    def check_all(self, paths: Sequence[str]) -> None:
        """Check a few files, spread over the list, against each other.

        Args:
            paths: of these files.

        Raises:
            DataError: naming a file that is wrong; by default never.
        """
        return

    def check_size(
        self,
        path: str,
        size: Sequence[int],
        info: Mapping[str, Any],
        wanted: Sequence[int],
    ) -> None:
        """Compare a file's (H, W) with its image's.

        Raises:
            DataError: if they differ.
        """
        if tuple(size) != tuple(wanted):
            hint, fix = turned_hint(info, tuple(size))
            raise self.error(
                path,
                f'is {size[0]}x{size[1]} but its image {info["img_path"]} is '
                f'{wanted[0]}x{wanted[1]} (height x width){hint}',
                fix or 'make it from this very image, at its full size',
            )

    def read(self, path: str, backend_args: dict | None = None) -> bytes:
        """Content of a file.

        Raises:
            DataError: if it can't be had.
        """
        try:
            return fileio.get(path, backend_args=backend_args)
        except OSError as err:
            absent = isinstance(err, FileNotFoundError)
            raise self.error(
                path,
                f'{"is missing" if absent else "cannot be read"} '
                f'({err.strerror or err})',
                'check the folder, or write it again'
                if absent
                else 'see that it is a file, and that you may read it',
            ) from err

    @abstractmethod
    def load(
        self,
        path: str | None,
        results: Mapping[str, Any],
        backend_args: dict | None = None,
    ) -> np.ndarray:
        """Read and check a file whole.

        Args:
            path: the file; ``None`` for an image that has none (see :meth:`has_file`).
            results: of the pipeline so far: ``gt_labels``, ``num_foreground`` and,
                after the image was read, ``ori_shape`` (height, width).
            backend_args: arguments of mmengine's file client, None for local files.

        Raises:
            DataError: if it is unreadable or doesn't fit.
        """

    # --------------------------------------------------------------- geometry
    @abstractmethod
    def resize(
        self,
        array: np.ndarray,
        size: tuple[int, int],
        resample: str,
        align_corners: bool,
    ) -> np.ndarray:
        """Resize as the image is resized.

        Args:
            array: as :meth:`load` gives it.
            size: ``(height, width)`` of the result.
            resample: the image's filter: nearest, bilinear or bicubic.
            align_corners: how the transform resizes maps of scores.
        """

    def flip(self, array: np.ndarray) -> np.ndarray:
        """Mirror left and right."""
        return np.ascontiguousarray(array[:, ::-1])

    def crop(self, array: np.ndarray, place: F.Place, ignore_index: int) -> np.ndarray:
        """Pad and crop.

        Args:
            array: as :meth:`load` gives it.
            place: crop's size, where the image's and where the crop's corner lie on
                the canvas, see :func:`.functional.pad_crop`.
            ignore_index: what the transform gives to pixels that don't count.
        """
        fill = ignore_index if self.outside is None else self.outside
        return F.pad_crop(array, *place, fill=fill)

    # ---------------------------------------------------------------- packing
    @abstractmethod
    def pack(self, array: np.ndarray) -> PixelData:
        """The field of the ``SegDataSample``: (channels, H, W)."""

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
