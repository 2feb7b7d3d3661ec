# Licensed under Apache-2.0.
"""A data set and a model small enough to train in a test: colours to classes.

Imported by the toy config through ``custom_imports``.
"""

from __future__ import annotations

import random

import numpy as np
import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset, Sampler

from mmwsss.models.teachers.averaged_parts import AveragedParts
from mmwsss.registry import DATA_SAMPLERS, DATASETS, MODELS

SIZE = 24
COLOURS = np.array([(40, 40, 40), (220, 60, 40), (40, 200, 60)], np.uint8)


@DATASETS.register_module(force=True)
class ToyDataset(Dataset):
    """Pictures with one coloured square; items accept an index or (index, seed).

    Args:
        length: Pictures.
        with_masks: Give ``gt_sem_seg``.
        classes: Number of class names in the metainfo.
    """

    def __init__(
        self, length: int = 12, with_masks: bool = False, classes: int = 3
    ) -> None:
        self.length = length
        self.with_masks = with_masks
        names = ('background', 'red', 'green', 'blue', 'white')[:classes]
        self.metainfo = dict(classes=names, palette=COLOURS.tolist())

    def __len__(self) -> int:
        return self.length

    def full_init(self) -> None:
        """mmengine's data set interface."""

    def __getitem__(self, item: int | tuple[int, int]) -> dict:
        index, seed = item if isinstance(item, tuple) else (item, item)
        random.seed(seed)
        kind = 1 + index % 2
        mask = np.zeros((SIZE, SIZE), np.int64)
        y, x = random.randrange(10), random.randrange(10)
        mask[y : y + 12, x : x + 12] = kind
        noise = np.random.RandomState(seed).randint(0, 30, (SIZE, SIZE, 3))
        image = torch.from_numpy((COLOURS[mask] + noise).astype(np.uint8))
        sample = SegDataSample(
            metainfo=dict(
                img_path=f'toy_{index}.jpg',
                img_id=f'toy_{index}',
                gt_labels=(kind - 1,),
                ori_shape=(SIZE, SIZE),
                img_shape=(SIZE, SIZE),
            )
        )
        sample.gt_score = functional.one_hot(torch.tensor(kind - 1), 2).float()
        if self.with_masks:
            sample.gt_sem_seg = PixelData(data=torch.from_numpy(mask)[None])
        return dict(inputs=image.permute(2, 0, 1).contiguous(), data_samples=sample)


@DATA_SAMPLERS.register_module(force=True)
class ToySampler(Sampler):
    """Endless (index, seed) pairs, a different slice for every rank."""

    def __init__(self, dataset: Dataset, seed: int = 0, shuffle: bool = True) -> None:
        from mmengine.dist import get_dist_info

        self.rank, self.world = get_dist_info()
        self.size, self.seed, self.done = len(dataset), seed, 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self):
        while True:
            number = self.done * self.world + self.rank
            self.done += 1
            generator = np.random.RandomState((self.seed * 7919 + number) % 2**32)
            yield generator.randint(self.size), int(generator.randint(2**31))


@MODELS.register_module(force=True)
class ToyPreprocessor(BaseDataPreprocessor):
    """Stack and scale to [0, 1]."""

    def forward(self, data: dict, training: bool = False) -> dict:
        images = torch.stack(list(data['inputs'])).to(self.device).float() / 255
        return dict(inputs=images, data_samples=data['data_samples'])


@MODELS.register_module(force=True)
class ToyWSSS(BaseModel):
    """A few convolutions with a classifier, a CAM and a decoder; draws random
    numbers in its step, as real methods do."""

    def __init__(
        self,
        num_classes: int = 3,
        norm: dict | None = None,
        late_head: bool = False,
        fault: str | None = None,
        test_cfg: dict | None = None,
    ) -> None:
        super().__init__(dict(type='ToyPreprocessor'))
        self.num_classes = num_classes
        self.test_cfg = test_cfg or {}
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.GELU(), nn.GroupNorm(2, 8)
        )
        self.cam_head = nn.Conv2d(8, num_classes - 1, 1, bias=False)
        self.decode_head = nn.Conv2d(8, num_classes, 3, padding=1)
        self.late_head = nn.Linear(4, 4) if late_head else None

    def forward(self, inputs: Tensor, data_samples=None, mode: str = 'tensor'):
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        return self.predict(inputs, data_samples)

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        noise = (
            torch.rand_like(inputs) * 0.1
            + random.random() * 0.1
            + float(np.random.rand()) * 0.1
        )
        feature = functional.dropout(self.backbone(inputs + noise), 0.2)
        target = torch.stack([s.gt_score for s in data_samples]).to(inputs)
        cam = self.cam_head(feature)
        losses = dict(
            loss_cls=functional.multilabel_soft_margin_loss(cam.amax((2, 3)), target)
        )
        with torch.no_grad():
            kept = functional.relu(cam) * target[..., None, None]
            score, label = (kept / (kept.amax((2, 3), True) + 1e-5)).max(1)
            label = torch.where(score > 0.5, label + 1, 0)
        losses['loss_seg'] = functional.cross_entropy(self.decode_head(feature), label)
        share = (label > 0).float().mean()
        losses |= dict(label_fg=share, label_bg=1 - share, label_ignore=share * 0)
        return losses

    @torch.no_grad()
    def predict(
        self,
        inputs: Tensor,
        data_samples: list,
        cam_filter: str = 'pred',
        outputs: tuple = ('seg', 'cam', 'pseudo'),
        post_processor: dict | None = None,
    ) -> list:
        feature = self.backbone(inputs)
        cam = self.cam_head(feature)
        seg = self.decode_head(feature).argmax(1, True)
        kept = functional.relu(cam)
        score, label = (kept / (kept.amax((2, 3), True) + 1e-5)).max(1, True)
        for i, sample in enumerate(data_samples):
            sample.pred_sem_seg = PixelData(data=seg[i])
            sample.pred_cam = PixelData(score=score[i], label=label[i] + 1)
            sample.pred_score = cam[i].amax((1, 2)).sigmoid()
        return data_samples


@MODELS.register_module(force=True)
class ToyTeacher(ToyWSSS):
    """The same with a moving average; it notes after which iterations that moved."""

    def __init__(self, momentum: float = 0.5, **kwargs) -> None:
        super().__init__(**kwargs)
        self.momentum, self.moved = momentum, []
        self.averaged = AveragedParts(self, ['backbone'])

    def init_weights(self) -> None:
        super().init_weights()
        self.averaged.start()

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        weight = self.backbone_ema.module[0].weight
        before = weight.clone()
        self.averaged.follow(self.momentum)
        self.moved.append(not torch.equal(before, weight))
        return super().loss(inputs, data_samples)
