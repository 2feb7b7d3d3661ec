# Licensed under Apache-2.0.
from __future__ import annotations

import warnings
from collections.abc import Sequence

from mmcv.transforms import BaseTransform

from mmwsss.datasets.side_inputs.declaration import MASK, SideFile
from mmwsss.io.data_errors import SideInputError
from mmwsss.registry import TRANSFORMS

from .fields import MASK_KEY


@TRANSFORMS.register_module()
class LoadSideInputs(BaseTransform):
    """Read the dense side inputs that the data set declares.

    Required keys: ``side_inputs``, which a data set with ``side_inputs=dict(...)``
    gives; ``ori_shape`` (load the image first). Added keys: one array for each name;
    the side input ``mask`` becomes ``gt_seg_map``, as ``LoadMask`` names a mask. All of
    them follow the geometry of the image in the ``PIL...`` transforms; maps of ids
    are added to ``seg_fields`` and so follow in some of mmseg's transforms as well;
    what doesn't is refused when the data set is built (:mod:`.geometry`).

    Args:
        names: which of them; all by default.
        backend_args: arguments of mmengine's file client, None for local files.
    """

    def __init__(
        self, names: Sequence[str] | None = None, backend_args: dict | None = None
    ) -> None:
        self.names = None if names is None else tuple(names)
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Read and check the files.

        Raises:
            DataError: if one is not declared, missing, unreadable, or does not fit
                the image.
        """
        declared = results.get('side_inputs', {})
        for name in declared if self.names is None else self.names:
            if name not in declared:
                raise self._undeclared(results, name)
            self._load(results, name, declared[name])
        if not declared and self.names is None:
            raise self._undeclared(results, 'NAME')
        return results

    def _load(self, results: dict, name: str, file: SideFile) -> None:
        key = MASK_KEY if name == MASK else name
        if key in results:  # LoadMask has read the same file
            return
        results[key] = file.kind.load(file.path, results, self.backend_args)
        if file.kind.label_map:
            results['seg_fields'] = [*results.get('seg_fields', ()), key]

    @staticmethod
    def _undeclared(results: dict, name: str) -> SideInputError:
        what = 'side inputs' if name == 'NAME' else f'side input {name!r}'
        return SideInputError(
            results.get('img_path', '?'),
            f'has no {what} in this data set',
            f'set side_inputs.{name} of the data set to dict(dir=FOLDER, kind=KIND), '
            'or take the loader out of the pipeline',
        )

    def __repr__(self) -> str:
        return f'{type(self).__name__}(names={self.names})'


class _OldLoader(LoadSideInputs):
    """A loader of one side input, as configs named it before."""

    name: str

    def __init__(self, backend_args: dict | None = None) -> None:
        warnings.warn(
            f'the transform {type(self).__name__} is LoadSideInputs now, which reads '
            'all side_inputs of the data set',
            FutureWarning,
            stacklevel=2,
        )
        super().__init__((self.name,), backend_args)


@TRANSFORMS.register_module()
class LoadSaliency(_OldLoader):
    """Old name of ``LoadSideInputs(names=('saliency',))``; warns."""

    name = 'saliency'


@TRANSFORMS.register_module()
class LoadFusedMaps(_OldLoader):
    """Old name of ``LoadSideInputs(names=('fused',))``; warns."""

    name = 'fused'
