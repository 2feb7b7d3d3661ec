# Licensed under Apache-2.0.
from __future__ import annotations

from mmcv.transforms import BaseTransform

from mmwsss.datasets.side_inputs.exif_masks import check_decided
from mmwsss.datasets.side_inputs.ids_kind import IdsKind
from mmwsss.io.data_errors import MaskError
from mmwsss.registry import TRANSFORMS

from .fields import MASK_KEY


@TRANSFORMS.register_module()
class LoadMask(BaseTransform):
    """Read ``seg_map_path`` as class ids: 0 background, 1..C, 255 ignore.

    Required keys: ``seg_map_path``, ``num_foreground``; ``ori_shape`` and
    ``label_map`` where present. Added keys: ``gt_seg_map`` (H, W) uint8;
    its name is added to ``seg_fields``. Of a data set with pseudo masks
    (``side_inputs.mask``) it reads these, as ``LoadSideInputs`` does.

    Args:
        ignore_index: the id of pixels that do not count.
        backend_args: arguments of mmengine's file client, None for local files.
    """

    def __init__(
        self, ignore_index: int = 255, backend_args: dict | None = None
    ) -> None:
        self.kind = IdsKind(classes=True, ignore_index=ignore_index)
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Read and check the mask.

        Raises:
            MaskError: if it is missing, unreadable, of another size than the
                image, or holds ids out of range; if the photo carries an EXIF
                orientation and the data set doesn't say which of both it fits.
        """
        path = results.get('seg_map_path')
        if path is None:
            raise MaskError(
                results.get('img_path', '?'),
                'has no mask in this data set',
                'take LoadMask out of the pipeline, or set with_masks=True (never '
                'in weakly supervised training)',
            )
        if 'exif_orientation' in results:
            check_decided(results, path)
        if MASK_KEY not in results:  # LoadSideInputs has read the same file
            results[MASK_KEY] = self.kind.load(path, results, self.backend_args)
            results.setdefault('seg_fields', []).append(MASK_KEY)
        return results
