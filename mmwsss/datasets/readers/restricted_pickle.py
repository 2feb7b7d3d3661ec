# Licensed under Apache-2.0.
"""Dictionaries of arrays that ``np.save`` has pickled, read without running code."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

from mmwsss.io.data_errors import LabelError

_HOMES = ('numpy', 'numpy.core.multiarray', 'numpy._core.multiarray')
_NUMERIC = ('numpy.core.numeric', 'numpy._core.numeric')
#: the functions that rebuild arrays, by (module, name)
_ALLOWED = {
    *((home, name) for home in _HOMES[1:] for name in ('_reconstruct', 'scalar')),
    *((home, '_frombuffer') for home in _NUMERIC),
    *(('numpy', name) for name in ('ndarray', 'dtype')),
    ('collections', 'OrderedDict'),
    ('_codecs', 'encode'),  # bytes of files that Python 2 has written
}


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles numpy arrays, numbers, strings and containers of them alone."""

    def find_class(self, module: str, name: str) -> Any:
        """What rebuilds arrays.

        Raises:
            pickle.UnpicklingError: for anything else.
        """
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f'it wants to run {module}.{name}')
        return super().find_class(module, name)


def load_array_file(path: str) -> Any:
    """The content of an ``.npy`` file, a pickled dictionary or an array.

    Raises:
        LabelError: if it is damaged, or wants to run code.
    """
    try:
        with open(path, 'rb') as file:
            version = np.lib.format.read_magic(file)
            read_header = getattr(
                np.lib.format, f'read_array_header_{version[0]}_{version[1]}'
            )
            shape, _, dtype = read_header(file)
            if dtype.hasobject:
                content = ArrayUnpickler(file, encoding='latin1').load()
                return content.item() if shape == () else content
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError, AttributeError, pickle.UnpicklingError) as err:
        raise LabelError(
            path,
            f'is no array file of plain data ({err})',
            'save a dictionary of image name and vector of 0 and 1 with numpy.save',
        ) from err
