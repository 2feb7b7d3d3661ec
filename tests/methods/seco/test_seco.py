# Licensed under Apache-2.0.
"""SeCo through the shared tester, and what only it has."""

from __future__ import annotations

from mmwsss.testing import MethodTester

SECO = 'configs/seco/seco_vit-t_shapes.py'


class TestSeCo(MethodTester):
    """Tagged crops, memory, both contrasts."""

    config = SECO
    encoded = (
        (4, 3, 96, 96),  # both global views
        (16, 3, 24, 24),  # eight crops of each picture
        (2, 3, 96, 96),  # the mirrored view 1, for the CAM
        (4, 3, 48, 48),  # its two other scales, with mirrors
        (4, 3, 144, 144),
    )
    refused = (
        (dict(proj_head=None), 'memory needs a proj_head'),
        (dict(memory=None), 'needs a memory'),
        (dict(aux_cam_head=None), 'cls_aux needs a aux_cam_head'),
        (dict(labeler=None), 'needs a labeler'),
        (dict(decode_head=None), 'needs a decode_head'),
        (dict(losses=dict(cls=dict(type='MultiLabelSoftMargin'))), r"\['cls_aux', "),
    )
