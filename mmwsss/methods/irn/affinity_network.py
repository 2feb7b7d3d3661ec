# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.cam import label_shares
from mmwsss.ops import pair_affinity
from mmwsss.registry import MODELS
from mmwsss.structures import encode

from .edge_walk import edge_of_pair, enlarge_walked, padded_canvas, walk_maps
from .pairs import grid_label, pair_targets
from .walk_cfg import WalkCfg


@MODELS.register_module()
class AffinityNetwork(BaseSegmentor):
    """Network of edges whose affinity spreads class maps (IRNet's boundary branch).

    Ahn, Cho and Kwak (CVPR 2019), without the displacement branch, as SemFormer's
    release has it. It learns from seeds, label maps that any CAM model can give, and
    :meth:`walk` lets the class maps of any model walk within its edges.

    Args:
        backbone: config of an encoder that returns maps of several stages.
        edge_head: config of the head that makes edge logits of them.
        num_classes: C + 1, of the seeds.
        loss: config of the loss of affinities on kinds of pairs.
        radius: pixels of the grid nearer than this are a pair, in training.
        train_cfg: nothing.
        test_cfg: of the walk, see :class:`~mmwsss.methods.irn.walk_cfg.WalkCfg`.
        data_preprocessor: config of the ``WeakDataPreProcessor``.
        init_cfg: mmengine initialisation.
    """

    stride = 4  # of the edges

    def __init__(
        self,
        backbone: dict,
        edge_head: dict,
        num_classes: int,
        loss: dict | None = None,
        radius: int = 10,
        train_cfg: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            data_preprocessor and MODELS.build(data_preprocessor), init_cfg
        )
        self.num_classes, self.radius = num_classes, radius
        self.backbone = MODELS.build(backbone)
        self.edge_head = MODELS.build(edge_head)
        self.pair_loss = MODELS.build(loss or dict(type='PairAffinityLoss'))
        self.train_cfg, self.test_cfg = dict(train_cfg or {}), dict(test_cfg or {})
        WalkCfg(**self.test_cfg)  # checks the names

    # ---------------------------------------------------------------- training
    def loss(
        self, inputs: Tensor, data_samples: Sequence[SegDataSample]
    ) -> dict[str, Tensor]:
        """Pairs of pixels of one label attract each other, others repel.

        Args:
            inputs: (B, 3, H, W), normalised.
            data_samples: with the seeds as ``gt_sem_seg`` (1, H, W), 255 = ignore.

        Raises:
            ValueError: if a sample has no seeds.
        """
        edge = self.edge_logits(inputs).float().sigmoid()
        label = grid_label(self.seeds(data_samples), tuple(edge.shape[-2:]))
        affinity = pair_affinity(edge, self.radius)
        targets = pair_targets(label, self.radius, self.num_classes)
        return dict(loss_aff=self.pair_loss(affinity, targets)) | label_shares(label)

    @staticmethod
    def seeds(data_samples: Sequence[SegDataSample]) -> Tensor:
        """The label maps (B, H, W) of a batch."""
        for sample in data_samples:
            if 'gt_sem_seg' not in sample:
                raise ValueError(
                    f'{sample.get("img_path")} has no seeds: put LoadSideInputs into '
                    'the train pipeline, and the folder of the seeds, '
                    'side_inputs.mask.dir, into the data set'
                )
        return torch.cat([sample.gt_sem_seg.data for sample in data_samples])

    def edge_logits(self, images: Tensor) -> Tensor:
        """Edge logits (B, 1, h, w) at stride 4 of normalised images."""
        return self.edge_head(encode(self.backbone, images).maps)

    # ---------------------------------------------------------------- walk
    @torch.no_grad()
    def edges(
        self, images: Tensor | Sequence[Tensor], **overrides: Any
    ) -> list[Tensor]:
        """Probability of an edge, averaged over each image and its mirror.

        Args:
            images: normalised, (B, 3, H, W) or a list of (3, H, W).
            **overrides: entries of ``test_cfg`` to replace.

        Returns:
            (1, h, w) in [0, 1] for each image, h = (H - 1) // 4 + 1 and likewise w.
        """
        cfg = WalkCfg(**{**self.test_cfg, **overrides})
        groups: dict[tuple[int, int], list[int]] = {}
        for i, image in enumerate(images):
            groups.setdefault(cfg.canvas(tuple(image.shape[-2:])), []).append(i)
        found = {}
        for canvas, members in groups.items():
            batch = [images[i] for i in members] + [images[i].flip(-1) for i in members]
            plain, mirrored = self.edge_logits(padded_canvas(batch, canvas)).chunk(2)
            for i, one, other in zip(members, plain, mirrored, strict=True):
                size = tuple(images[i].shape[-2:])
                found[i] = edge_of_pair(one, other, size, self.stride)
        return [found[i] for i in range(len(images))]

    @torch.no_grad()
    def walk(
        self,
        images: Tensor | Sequence[Tensor],
        maps: Sequence[Tensor],
        **overrides: Any,
    ) -> list[Tensor]:
        """Class maps, spread within the edges, at the size of their images.

        Args:
            images: normalised, (B, 3, H, W) or a list of (3, H, W).
            maps: (K, h, w) class maps of each image at stride 4, the grid of
                :meth:`edges`; K may differ.
            **overrides: entries of ``test_cfg`` to replace.

        Returns:
            (K, H, W) for each image, in [0, 1], divided by the maximum over classes.

        Raises:
            ValueError: if maps lie on another grid.
        """
        cfg = WalkCfg(**{**self.test_cfg, **overrides})
        walked = walk_maps(
            [one.float() for one in maps], self.edges(images, **overrides), **cfg.steps
        )
        return [
            enlarge_walked(one, tuple(image.shape[-2:]), self.stride)
            for one, image in zip(walked, images, strict=True)
        ]

    # ---------------------------------------------------------------- mmseg's contract
    def predict(
        self,
        inputs: Tensor | Sequence[Tensor],
        data_samples: Sequence[SegDataSample] | None = None,
        **overrides: Any,
    ) -> list[SegDataSample]:
        """The samples with ``pred_edge`` (score (1, h, w)), see :meth:`edges`."""
        samples = data_samples or [SegDataSample() for _ in inputs]
        for sample, edge in zip(samples, self.edges(inputs, **overrides), strict=True):
            sample.set_field(PixelData(score=edge), 'pred_edge')
        return list(samples)

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """The backbone's maps."""
        return encode(self.backbone, inputs).maps

    def encode_decode(self, inputs: Tensor, batch_data_samples: Any = None) -> Tensor:
        """Edge logits (B, 1, h, w)."""
        return self.edge_logits(inputs)

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Tensor:
        return self.edge_logits(inputs)
