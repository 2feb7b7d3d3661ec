# Licensed under Apache-2.0.
"""The pure functions trace as one graph, without a break or a look at values.

The ``eager`` backend runs what the tracer found: a graph break or a host
synchronisation is an error, and nothing has to be compiled.
"""

from __future__ import annotations

import pytest
import torch

from mmwsss.cam import (
    affinity_targets,
    cut_crops,
    draw_corners,
    fuse_cams,
    label_shares,
    scale_box,
    strongest_class,
    three_way_label,
)
from mmwsss.labelers.soft_maps import merge_high_low
from mmwsss.methods.toco.local_crops import (
    crop_candidates,
    crop_flags,
    roi_levels,
)


def label_rules(first, second, box):
    cam = fuse_cams([(first, second)], (16, 16))
    score, label = strongest_class(cam)
    three = three_way_label(score, label, 0.25, 0.7, scale_box(box, (32, 32), (16, 16)))
    merged = merge_high_low(three, label, box)
    return affinity_targets(three[:, ::4, ::4]), *label_shares(merged, box).values()


def local_crops(images, score):
    roi = roi_levels(score, 0.25, 0.7)
    corners = draw_corners(crop_candidates(roi, 4, 3), 3)
    return cut_crops(images, corners, 4), crop_flags(roi, corners, 4)


@pytest.mark.parametrize(
    'function,shapes',
    [
        (label_rules, [(2, 3, 8, 8), (2, 3, 8, 8)]),
        (local_crops, [(2, 3, 12, 12), (2, 12, 12)]),
    ],
)
def test_full_graph(function, shapes) -> None:
    torch.manual_seed(0)
    inputs = [torch.rand(shape) for shape in shapes]
    if function is label_rules:
        inputs.append(torch.tensor([[0, 9, 2, 32], [3, 32, 0, 32]]))
    compiled = torch.compile(function, backend='eager', fullgraph=True)
    results = []
    for form in (function, compiled):
        torch.manual_seed(1)
        results.append(form(*inputs))
    for ours, theirs in zip(*results):
        assert torch.equal(ours, theirs)
