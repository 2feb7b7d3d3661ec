# Licensed under Apache-2.0.
"""Settings of the dense CRF in the published code bases."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ['DENSE_CRF_PRESETS']


def _preset(
    pos_xy_std: float,
    pos_w: float,
    bi_xy_std: float,
    bi_rgb_std: float,
    bi_w: float,
    iter_max: int = 10,
) -> Mapping[str, float | int]:
    return MappingProxyType(
        dict(
            pos_xy_std=pos_xy_std,
            pos_w=pos_w,
            bi_xy_std=bi_xy_std,
            bi_rgb_std=bi_rgb_std,
            bi_w=bi_w,
            iter_max=iter_max,
        )
    )


DENSE_CRF_PRESETS: Mapping[str, Mapping[str, float | int]] = MappingProxyType(
    {
        # ToCo, FSR: final segmentation (VOC and COCO); unary: softmax.
        'toco_seg': _preset(1.0, 1.0, 121.0, 5.0, 4.0),
        # ToCo, FSR: CAM labels at the high and low threshold; softmax.
        'toco_cam': _preset(3.0, 3.0, 36.0, 3.0, 4.0),
        # AFA: final segmentation (VOC and COCO); softmax.
        'afa': _preset(3.0, 3.0, 64.0, 5.0, 4.0),
        # DeepLab-v2, the comparison in EPS, SMAF final; softmax.
        'deeplab': _preset(1.0, 3.0, 67.0, 3.0, 4.0),
        # PSA, an option of EPS, SemFormer segmentation; probabilities or CAM.
        'psa': _preset(3.0, 3.0, 80.0, 13.0, 10.0),
        # DeepLab-v1 on SemFormer's masks, final segmentation; softmax, one iteration.
        'deeplabv1': _preset(3.0, 3.0, 32.0, 13.0, 10.0, iter_max=1),
        # IRN seeds, SemFormer affinity labels; hard labels, compact set.
        'irn': _preset(3.0, 3.0, 50.0, 5.0, 10.0),
        # SemFormer pseudo labels; hard labels, compact set, one iteration.
        'semformer_pseudo': _preset(3.0, 3.0, 50.0, 5.0, 10.0, iter_max=1),
        # SMAF pseudo masks; hard labels, all 21 labels.
        'smaf_pseudo': _preset(3.0, 3.0, 50.0, 5.0, 10.0),
    }
)
