# Licensed under Apache-2.0.
"""Runs the network of a report over pictures, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cli.progress_bar import progress_bar
from mmwsss.evaluation.uncertainty import entropy_map, probabilities_of_maps
from mmwsss.models.prediction.inference_cfg import InferenceCfg
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.segmentors.wrapped_segmentor import unwrap

from ..generate.split_images import groups_of_one_size, loader_of
from ..prediction_cost import LargePictures
from .picture_set import PictureSet


class NetworkRunner:
    """Predicts pictures of a test set as the config says that it is tested.

    Args:
        model: from :func:`.init_model`, of mmwsss or mmseg.
        picture_set: the pictures.
    """

    def __init__(self, model: nn.Module, picture_set: PictureSet) -> None:
        self.model, self.picture_set = model, picture_set
        inner = unwrap(model)
        self.ours = isinstance(inner, WeakSegmentor)
        self.decodes = not self.ours or inner.decode_head is not None
        self.reads_labels = False
        self.unreadable: dict[str, str] = {}
        if self.ours:
            self.reads_labels = InferenceCfg.of(model.test_cfg).cam_filter == 'gt'

    def overrides(self, class_maps: bool) -> dict[str, Any]:
        """Entries of ``test_cfg`` to replace.

        Args:
            class_maps: whether the CAM of each class is wanted. Networks without a
                decoder always give them: their probabilities are made of them.
        """
        if not self.ours:
            return {}
        found: dict[str, Any] = {}
        if class_maps or not self.decodes:
            outputs = InferenceCfg.of(self.model.test_cfg).outputs
            found['outputs'] = (*outputs, 'class_maps')
            found['cam'] = dict(strides=(1,))
        if self.reads_labels and not self.picture_set.labelled:
            found['cam_filter'] = 'pred'
        return found

    def samples(
        self, indices: Sequence[int] | None = None, class_maps: bool = False
    ) -> Iterator[tuple[int, SegDataSample]]:
        """Predict pictures, those of one size together.

        Args:
            indices: of the test set; default: all of them.
            class_maps: see :meth:`overrides`.

        Yields:
            The index and the sample with predictions and, if there is one, truth. A
            picture that can't be read is left out, its message is in ``unreadable``.
        """
        dataset = self.picture_set.dataset
        groups = groups_of_one_size(dataset, self.picture_set.batch_size)
        if indices is not None:
            wanted = set(indices)
            groups = [[i for i in group if i in wanted] for group in groups]
        groups = [group for group in groups if group]
        overrides = self.overrides(class_maps)
        large = LargePictures(self.model, overrides)
        with progress_bar(sum(map(len, groups))) as bar:
            loader = loader_of(dataset, groups, 0)
            for group, (batch, failed) in zip(groups, loader, strict=True):
                self.unreadable |= {one.name: one.message for one in failed}
                for sample in self._predict(batch, overrides, large) if batch else ():
                    yield self._index(group, sample), sample
                bar.update(len(group))

    @torch.no_grad()
    def _predict(
        self, batch: Mapping[str, Any], overrides: Mapping[str, Any], large: Any
    ) -> list[SegDataSample]:
        data = self.model.data_preprocessor(batch, False)
        first = data['data_samples'][0].metainfo
        size, path = tuple(first['ori_shape'][:2]), first.get('img_path', '')
        windows = large.overrides(size, path)
        return self.model.predict(
            data['inputs'], data['data_samples'], **{**overrides, **windows}
        )

    def _index(self, group: Sequence[int], sample: SegDataSample) -> int:
        path = sample.metainfo['img_path']
        infos = ((i, self.picture_set.dataset.get_data_info(i)) for i in group)
        return next(i for i, info in infos if info['img_path'] == path)

    def probabilities(self, sample: SegDataSample) -> Tensor | None:
        """(L, H, W) that sum to 1 at each pixel; ``None`` where there are none."""
        if 'seg_logits' in sample:
            logits = sample.seg_logits.data.float()
            if len(logits) == 1:  # a decoder of one channel: foreground or not
                foreground = logits.sigmoid()
                return torch.cat([1 - foreground, foreground])
            return logits.softmax(0)
        if 'class_maps' in sample:
            return probabilities_of_maps(sample.class_maps[1].maps.float())
        return None

    def doubt(self, sample: SegDataSample, num_classes: int) -> Tensor | None:
        """(H, W) in [0, 1]: where the network is unsure, see :func:`.entropy_map`."""
        prob = self.probabilities(sample)
        return None if prob is None else entropy_map(prob, num_classes)
