# Licensed under Apache-2.0.
"""The refined label of a training step: what it costs, and in which precision."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmwsss.ops import python_forms
from mmwsss.structures import ImageLabels, encode
from mmwsss.testing import LABELS, at, begins, build, step, total, train_batch

CONFIGS = ('configs/toco/toco_vit-t_shapes.py', 'configs/cam/cam_vit-t_shapes_seg.py')


class CountOps(TorchDispatchMode):
    """Calls and the shapes of their first two tensors, of mmwsss' operators."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.tensors = Counter(), []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == 'mmwsss':
            self.calls[func._schema.name.removeprefix('mmwsss::')] += 1
            self.tensors += [x for x in args if isinstance(x, torch.Tensor)]
        return func(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def _iteration_zero_after():
    yield
    at(0)


@pytest.mark.parametrize('config', CONFIGS)
def test_one_affinity_and_one_propagation_a_step(config: str) -> None:
    """For all images, both thresholds and all classes of the batch."""
    model = build(config)
    with CountOps() as counted:
        total(step(model, begins(model)[-1], images=(0, 1, 2))).backward()
    assert counted.calls['par_affinity'] == counted.calls['propagate'] == 1
    assert counted.calls['propagate_backward'] == 0  # a label has no gradient
    classes = max(len(some) for some in LABELS[:3])
    shapes = [tuple(x.shape) for x in counted.tensors]
    small = (48, 48)
    assert (3, 48, *small) in shapes  # 8 neighbours of 6 dilations
    assert (3, 2 * (classes + 1), *small) in shapes  # only the classes that are there


def test_before_the_decoder_starts_nothing_is_refined() -> None:
    model = build(CONFIGS[0], pseudo_source='cam')
    with CountOps() as counted:
        step(model, 0)
    assert not counted.calls['par_affinity']


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('config', CONFIGS)
def test_refinement_is_float32_in_mixed_precision(config: str, dtype) -> None:
    model = build(config)
    with CountOps() as counted, torch.autocast('cpu', dtype):
        step(model, begins(model)[-1])
    assert counted.calls['par_affinity'] == 1
    floating = {x.dtype for x in counted.tensors if x.is_floating_point()}
    assert floating == {torch.float32}


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('compiled', [True, False])
def test_half_precision_changes_no_label(dtype, compiled: bool) -> None:
    """From the same CAM logits: everything behind them is float32."""
    model = build(CONFIGS[0]).eval()
    data = train_batch(model, (0, 1, 2))
    images = data['inputs']['view1']
    labels = ImageLabels.from_lists(LABELS[:3], model.num_foreground)
    with torch.no_grad():
        maps = [encode(model.backbone, x).maps for x in (images, images.flip(-1))]
        raw = tuple(labels.gather(model.cam_head.cam(m)).to(dtype) for m in maps)

    def label(pair) -> torch.Tensor:
        cam = model.train_maps.fuse([pair], labels, tuple(images.shape[-2:]))
        assert cam.dtype == torch.float32
        return model.pseudo_label(images, cam, labels)

    want = label(tuple(x.float() for x in raw))
    assert len(want.unique()) > 2
    with torch.autocast('cpu', dtype):
        if compiled:
            assert torch.equal(label(raw), want)
        else:
            with python_forms():
                got = label(raw)
            with python_forms():
                assert torch.equal(got, label(tuple(x.float() for x in raw)))
