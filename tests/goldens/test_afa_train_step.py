# Licensed under Apache-2.0.
"""One whole AFA iteration against the description, followed to the letter.

No reference file holds a whole step. So the steps are written here once more, plainly:
image by image, cut to the box, all attention maps at once, masks by loops. The parts
(network, fusion, propagation, refinement, losses) have reference files of their own.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.methods.afa.afa import AFA
from mmwsss.ops import par
from tests.goldens.afa_model import tiny_afa
from tests.goldens.toco_model import close

WEIGHTS = dict(cls=1.0, seg=0.1, aff=0.1)
SCALES = (1.0, 0.5, 1.5)
LOW, HIGH, RADIUS, IGNORE = 0.35, 0.55, 2, 255


def boxes(images: Tensor) -> list[tuple[int, int, int, int]]:
    """The whole first image; of the others a part, with odd sides and places."""
    height, width = images.shape[-2:]
    part = (5, height - 4, 10, width - 3)
    return [(0, height, 0, width), *[part] * (len(images) - 1)]


def image_labels(images: Tensor, classes: int) -> list[list[int]]:
    """CAM channels: two, one, two, … in each image."""
    return [
        sorted({2 * i % classes, (2 * i + 3 * (1 - i % 2)) % classes})
        for i in range(len(images))
    ]


def bilinear(maps: Tensor, size) -> Tensor:
    """Half-pixel centres."""
    return F.interpolate(maps, tuple(size), mode='bilinear', align_corners=False)


class Plain:
    """The step of the description for one model, in evaluation mode."""

    def __init__(self, model: AFA, images: Tensor, present: list[list[int]]) -> None:
        self.model, self.images, self.present = model, images, present
        self.size, self.boxes = tuple(images.shape[-2:]), boxes(images)

    def tokens(self, scale: float = 1.0) -> list[int]:
        """Token grid; an incomplete window is one."""
        stride = math.prod(self.model.backbone.strides)
        return [-(-int(scale * n) // stride) for n in self.size]

    def attention_affinity(self, images: Tensor) -> Tensor:
        query, key = self.model.encode(images).attention.unbind(2)
        maps = (query @ key.transpose(-1, -2)).flatten(1, 2)
        return torch.sigmoid(
            self.model.affinity_head.proj(maps + maps.transpose(-1, -2))
        )[:, 0]

    def cam(self) -> Tensor:
        """Fused CAM (B, C, H, W) times image labels."""
        weight, total = self.model.cam_head.classifier.weight, 0
        for scale in SCALES:
            scaled = bilinear(self.images, [int(scale * n) for n in self.size])
            pair = [
                bilinear(F.conv2d(self.model.encode(x).maps[-1], weight), self.size)
                for x in (scaled, scaled.flip(-1))
            ]
            total = total + torch.maximum(pair[0], pair[1].flip(-1)).relu()
        total = total - total.amin((2, 3), keepdim=True)
        total = total / (total.amax((2, 3), keepdim=True) + 1e-5)
        keep = torch.zeros(total.shape[:2])
        for image, classes in enumerate(self.present):
            keep[image, classes] = 1
        return total * keep[..., None, None]

    def pixels(self) -> Tensor:
        grey = self.model.data_preprocessor.denormalise(self.images)
        return grey.clamp(0, 255).to(torch.uint8).float() / 255

    def merged(self, labels: dict[str, Tensor], box) -> Tensor:
        out = torch.full(self.size, IGNORE)
        y0, y1, x0, x1 = box
        for y, x in itertools.product(range(y0, y1), range(x0, x1)):
            high, low = int(labels['high'][y, x]), int(labels['low'][y, x])
            if high > 0:
                out[y, x] = high
            elif low == 0:
                out[y, x] = 0
        return out

    def ids(self, maps: Tensor, classes: list[int]) -> Tensor:
        """Arg max over background and present classes → class ids."""
        return torch.tensor([0, *(c + 1 for c in classes)])[maps.argmax(0)]

    def label_of_cam(self, cam: Tensor) -> Tensor:
        half, out = [n // 2 for n in self.size], []
        for image, classes in enumerate(self.present):
            small, labels = bilinear(self.pixels()[image : image + 1], half), {}
            maps = bilinear(cam[image : image + 1, classes], half)
            for level, constant in (('low', LOW), ('high', HIGH)):
                background = torch.full_like(maps[:, :1], constant)
                soft = torch.cat([background, maps], 1).softmax(1)
                full = bilinear(par(small, soft), self.size)[0]
                labels[level] = self.ids(full, classes)
            out.append(self.merged(labels, self.boxes[image]))
        return torch.stack(out)

    def transition(self, affinity: Tensor, grid) -> Tensor:
        places = list(itertools.product(range(grid[0]), range(grid[1])))
        matrix = torch.zeros_like(affinity)
        for i, j in itertools.product(range(len(places)), repeat=2):
            (yi, xi), (yj, xj) = places[i], places[j]
            if abs(yi - yj) <= RADIUS and abs(xi - xj) <= RADIUS:
                matrix[i, j] = affinity[i, j] ** 2
        return matrix / (matrix.sum(0, keepdim=True) + 0.1)

    def propagated_label(self, cam: Tensor) -> Tensor:
        largest = bilinear(self.images, [int(max(SCALES) * n) for n in self.size])
        affinity = self.attention_affinity(largest)
        grid, out = self.tokens(max(SCALES)), []
        for image, classes in enumerate(self.present):
            y0, y1, x0, x1 = box = self.boxes[image]
            half, labels = [(y1 - y0) // 2, (x1 - x0) // 2], {}
            small = bilinear(self.pixels()[image : image + 1, :, y0:y1, x0:x1], half)
            walk = self.transition(affinity[image], grid)
            tokens = bilinear(cam[image : image + 1, classes], grid)
            for level, constant in (('low', LOW), ('high', HIGH)):
                background = torch.full_like(tokens[:, :1], constant)
                soft = torch.cat([background, tokens], 1).softmax(1)
                moved = (soft.flatten(2) @ walk).view_as(soft)
                cut = bilinear(moved, self.size)[..., y0:y1, x0:x1]
                refined = bilinear(par(small, cut), (y1 - y0, x1 - x0))[0]
                full = torch.zeros(len(refined), *self.size)
                full[:, y0:y1, x0:x1] = refined
                labels[level] = self.ids(full, classes)
            out.append(self.merged(labels, box))
        return torch.stack(out)

    def affinity_loss(self, label: Tensor) -> Tensor:
        affinity = self.attention_affinity(self.images)
        height, width = self.tokens()
        places = list(itertools.product(range(height), range(width)))
        sums, counts = [0, 0], [1, 1]
        for image in range(len(label)):
            whole = label[image][None, None].float()
            small = F.interpolate(whole, (height, width))[0, 0]
            for (i, a), (j, b) in itertools.product(enumerate(places), repeat=2):
                near = max(abs(a[0] - b[0]), abs(a[1] - b[1])) <= RADIUS
                one, two = int(small[a]), int(small[b])
                if near and IGNORE not in (one, two):
                    p = affinity[image, i, j]
                    sums[one == two] = sums[one == two] + (1 - p if one == two else p)
                    counts[one == two] += 1
        return 0.5 * sums[0] / counts[0] + 0.5 * sums[1] / counts[1]

    def losses(self, seg_label: Tensor, aff_label: Tensor) -> dict[str, Tensor]:
        maps = self.model.encode(self.images).maps
        hot = torch.zeros(len(self.images), self.model.num_foreground)
        for image, classes in enumerate(self.present):
            hot[image, classes] = 1
        logits = bilinear(self.model.decode_head(maps), self.size)
        halves = [
            seg_label.where(seg_label == 0, IGNORE),
            seg_label.where(seg_label != 0, IGNORE),
        ]
        return dict(
            cls=F.multilabel_soft_margin_loss(
                F.conv2d(
                    maps[-1].amax((2, 3), keepdim=True),
                    self.model.cam_head.classifier.weight,
                )[..., 0, 0],
                hot,
            ),
            seg=sum(
                0.5 * F.cross_entropy(logits, half, ignore_index=IGNORE)
                for half in halves
            ),
            aff=self.affinity_loss(aff_label),
        )


def samples(images: Tensor, present: list[list[int]]) -> list[SegDataSample]:
    """Data samples with image labels and boxes."""
    out = []
    for classes, box in zip(present, boxes(images), strict=True):
        one = SegDataSample(metainfo=dict(gt_labels=tuple(classes)))
        one.set_data(dict(valid_box=torch.tensor(box)))
        out.append(one)
    return out


@pytest.mark.parametrize(
    'seg_source,aff_source',
    [('cam', 'cam'), ('propagated', 'cam'), ('propagated', 'propagated')],
)
def test_whole_step(golden, monkeypatch, seg_source: str, aff_source: str) -> None:
    data = golden('afa_network')
    MessageHub.get_current_instance().update_info('iter', 0)
    model = tiny_afa(
        data,
        affinity_radius=RADIUS,
        thresholds=(LOW, HIGH),
        train_cfg=dict(
            weights=WEIGHTS,
            cam=dict(scales=SCALES),
            seg_source=seg_source,
            aff_source=aff_source,
        ),
    ).eval()
    # weights at random give affinities near 0 and 1; milder ones spread the CAM
    model.affinity_head.proj.weight.data *= 0.1
    images = torch.from_numpy(data['a_image'])
    present = image_labels(images, model.num_foreground)
    plain = Plain(model, images, present)

    with torch.no_grad():
        cam = plain.cam()
        expected = dict(
            cam=plain.label_of_cam(cam), propagated=plain.propagated_label(cam)
        )
    found = {}
    original = model.label_from
    monkeypatch.setattr(
        model,
        'label_from',
        lambda source, *rest: found.setdefault(source, original(source, *rest)),
    )
    losses = model.loss(images, samples(images, present))

    assert set(found) == {seg_source, aff_source}
    for source, label in found.items():
        share = (label != expected[source]).float().mean()
        assert share < 2e-3, (source, float(share))
        kinds = {int(v) for v in label.unique()}
        assert {0, IGNORE} < kinds, source  # foreground too
    assert (expected['cam'] != expected['propagated']).float().mean() > 0.02

    # on the model's own labels, so that a last bit at a threshold can't matter
    ours = {
        k.removeprefix('loss_'): v for k, v in losses.items() if k.startswith('loss_')
    }
    theirs = plain.losses(found[seg_source], found[aff_source])
    assert ours.keys() == theirs.keys() == WEIGHTS.keys()
    for term, value in theirs.items():
        close(ours[term], (WEIGHTS[term] * value).detach().numpy())
    grads = []
    for loss in (sum(ours.values()), sum(WEIGHTS[k] * v for k, v in theirs.items())):
        model.zero_grad()
        loss.backward()
        grads.append({k: p.grad.clone() for k, p in model.named_parameters()})
    for name, value in grads[1].items():
        close(grads[0][name], value.numpy(), 1e-4)
    shares = [float(losses[f'label_{k}']) for k in ('fg', 'bg', 'ignore')]
    assert np.isclose(sum(shares), 1) and min(shares) > 0
