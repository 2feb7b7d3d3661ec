# Licensed under Apache-2.0.
"""Two gloo processes: the maps of a batch's halves, a step with the loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mmwsss.methods.clip_es.confidence_guided_loss import ConfidenceGuidedLoss
from mmwsss.structures import ImageLabels
from mmwsss.testing.tiny_batches import pictures
from tests.helpers.processes import in_processes
from tests.helpers.tiny_clip import tiny_clip_es

LABELS = ((0, 3), (2,), (5, 1, 4), (1,))


def maps_of(members: slice) -> Tensor:
    """Scattered to all classes, of some of four pictures."""
    model = tiny_clip_es()
    images = model.data_preprocessor.normalise(
        torch.stack(pictures(4, (64, 80)))[members].float()
    )
    labels = ImageLabels.from_lists(LABELS[members], model.num_foreground)
    ((maps, *_),) = model.view_maps(model.encode(images), labels)
    return labels.scatter(maps)


def half_of_the_maps(rank: int) -> Tensor:
    return maps_of(slice(2 * rank, 2 * rank + 2))


def head_and_data() -> tuple[nn.Module, Tensor, Tensor]:
    """A classifier of pixels; pictures with as many sure pixels each."""
    torch.manual_seed(0)
    head, images = nn.Conv2d(3, 4, 1), torch.randn(4, 3, 8, 8)
    label = torch.randint(0, 4, (4, 8, 8))
    label[:, :3] = 255
    return head, images, label


def step_of(rank: int) -> dict[str, Tensor]:
    head, images, label = head_and_data()
    wrapped = DistributedDataParallel(head)
    mine = slice(2 * rank, 2 * rank + 2)
    ConfidenceGuidedLoss()(wrapped(images[mine]), label[mine]).backward()
    return {name: p.grad for name, p in head.named_parameters()}


def test_maps_of_two_processes(tmp_path) -> None:
    found = torch.cat(in_processes(half_of_the_maps, tmp_path))
    torch.testing.assert_close(found, maps_of(slice(None)), rtol=0, atol=5e-5)


def test_a_step_of_two_processes(tmp_path) -> None:
    """The gradient is that of the whole batch where all have as many sure pixels."""
    found = in_processes(step_of, tmp_path)
    head, images, label = head_and_data()
    ConfidenceGuidedLoss()(head(images), label).backward()
    for name, parameter in head.named_parameters():
        assert torch.equal(found[0][name], found[1][name])
        torch.testing.assert_close(found[0][name], parameter.grad)
