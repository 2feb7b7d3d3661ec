# Licensed under Apache-2.0.
"""Test-time post-processing of any segmentor of mmseg."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models.segmentors import BaseSegmentor
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.cam import denormalise, resize
from mmwsss.labelers.refiners.refiner import build_refiner, refine_maps
from mmwsss.registry import MODELS

from .weak_segmentor import WeakSegmentor
from .wrapped_segmentor import WrappedSegmentor, unwrap

#: heads whose ``seg_logits`` are sums of mask probabilities, not logits
MASK_CLASSIFIERS = ('MaskFormerHead', 'Mask2FormerHead', 'SideAdapterCLIPHead')


@MODELS.register_module()
class PostProcessed(WrappedSegmentor):
    """A segmentor whose predictions are refined with the image.

    In a config::

        model = dict(
            type='mmwsss.PostProcessed',
            segmentor=dict(type='EncoderDecoder', ...),
            post_processor=dict(type='mmwsss.DenseCRF', preset='deeplab'))

    Checkpoints and optimizer settings fit both, and training is untouched. A network
    of mmwsss has a ``test_cfg.post_processor`` of its own, which is set.

    Args:
        segmentor: config of any segmentor whose predictions carry ``seg_logits``.
        post_processor: config of a refiner: (pixels (B, 3, H, W) RGB 0..255,
            probabilities (B, L, H, W)) → (B, L, H, W), as ``DenseCRF``, ``PAR``. It
            works on its own grid (``PAR``: half size, ``downscale=2``).
        channel_order: ``'rgb'`` or ``'bgr'``, of the images as the network gets them;
            default: ``'rgb'`` where the data preprocessor is told ``bgr_to_rgb`` (or is
            ours), else ``'bgr'``, as mmseg's pipelines load them.
        from_logits: whether a softmax makes ``seg_logits`` probabilities; default:
            unless the head is a mask classifier, whose scores are used as they are.
        data_preprocessor: handed on; a runner puts its own here.

    Raises:
        TypeError: if the model is no segmentor of mmseg.
        ValueError: if ``channel_order`` is unknown, or the post-processor no refiner.
    """

    def __init__(
        self,
        segmentor: dict,
        post_processor: dict,
        channel_order: str | None = None,
        from_logits: bool | None = None,
        data_preprocessor: dict | None = None,
    ) -> None:
        if channel_order not in (None, 'rgb', 'bgr'):
            raise ValueError(
                f"channel_order must be 'rgb', 'bgr' or None, got {channel_order!r}"
            )
        segmentor = copy.deepcopy(segmentor)
        if data_preprocessor is not None:
            segmentor.setdefault('data_preprocessor', data_preprocessor)
        model = MODELS.build(segmentor)
        if not isinstance(model, BaseSegmentor):
            raise TypeError(
                f'PostProcessed needs a segmentor of mmseg, got {type(model).__name__}'
            )
        super().__init__(model)
        self.post_processor = build_refiner(dict(post_processor))
        self.channel_order = channel_order or _channel_order(model, segmentor)
        self.from_logits = from_logits
        inner = unwrap(model)
        self.refined_inside = isinstance(inner, WeakSegmentor)
        if self.refined_inside:
            inner.test_cfg = {**inner.test_cfg, 'post_processor': dict(post_processor)}

    @torch.no_grad()
    def predict(
        self,
        inputs: Any,
        data_samples: Sequence[SegDataSample] | None = None,
        **overrides: Any,
    ) -> list[SegDataSample]:
        """Predict, then refine ``pred_sem_seg`` at the size of the original image.

        Args:
            inputs: (B, 3, H, W), normalised, padded as the data preprocessor does.
            data_samples: as the segmentor needs them.
            **overrides: handed on.

        Returns:
            The segmentor's samples, with ``pred_sem_seg`` replaced, and with
            ``pred_prob`` (L, H, W); ``seg_logits`` stay those of the network.

        Raises:
            ValueError: if there are no ``seg_logits``, or the images aren't RGB.
        """
        samples = super().predict(inputs, data_samples, **overrides)
        if self.refined_inside:
            return samples
        if inputs.shape[1] != 3:
            raise ValueError(
                f'post-processing needs images of three channels, got {inputs.shape[1]}'
            )
        for group in self._together(samples, inputs.is_cuda):
            scores = torch.stack([samples[i].seg_logits.data for i in group])
            pixels = torch.cat([self._pixels(inputs[i], samples[i]) for i in group])
            refined = refine_maps(
                self.post_processor, pixels, self._probabilities(scores)
            )
            for i, prob in zip(group, refined, strict=True):
                samples[i].pred_sem_seg = PixelData(data=self._decide(prob, samples[i]))
                samples[i].pred_prob = PixelData(data=prob)
        return samples

    @staticmethod
    def _together(samples: Sequence[SegDataSample], on_gpu: bool) -> list[list[int]]:
        """Indices of the samples that go through at once: on a GPU, those of a size."""
        lacking = [s for s in samples if 'seg_logits' not in s]
        if lacking:
            raise ValueError(
                'post-processing needs seg_logits, but the segmentor predicts '
                f'{sorted(lacking[0].keys())} only'
            )
        groups: dict[Any, list[int]] = {}
        for i, sample in enumerate(samples):
            key = sample.seg_logits.data.shape if on_gpu else i
            groups.setdefault(key, []).append(i)
        return list(groups.values())

    def _pixels(self, image: Tensor, sample: SegDataSample) -> Tensor:
        """Normalised, padded, flipped → (1, 3, H, W) RGB 0..255 at the label's size."""
        meta, cleaner = sample.metainfo, self.data_preprocessor
        left, right, top, bottom = meta.get(
            'img_padding_size', meta.get('padding_size', (0, 0, 0, 0))
        )
        height, width = image.shape[-2:]
        image = image[:, top : height - bottom, left : width - right]
        if getattr(cleaner, '_enable_normalize', hasattr(cleaner, 'mean')):
            image = denormalise(image, cleaner.mean, cleaner.std)
        if meta.get('flip'):
            image = image.flip(-1 if meta['flip_direction'] == 'horizontal' else -2)
        if self.channel_order == 'bgr':
            image = image.flip(0)
        return resize(image[None].float(), tuple(sample.seg_logits.data.shape[-2:]))

    def _probabilities(self, scores: Tensor) -> Tensor:
        """``seg_logits`` (B, C, H, W) → probabilities (B, max(C, 2), H, W), float32."""
        scores = scores.float()
        if scores.shape[1] == 1:  # a sigmoid has been taken already
            return torch.cat([1 - scores, scores], dim=1)
        from_logits = self.from_logits
        if from_logits is None:
            head = type(getattr(self.segmentor, 'decode_head', None))
            from_logits = not any(c.__name__ in MASK_CLASSIFIERS for c in head.__mro__)
        return scores.softmax(1) if from_logits else scores

    def _decide(self, prob: Tensor, sample: SegDataSample) -> Tensor:
        """(L, H, W) → (1, H, W) class ids, by the segmentor's own rule."""
        if sample.seg_logits.data.shape[0] == 1:
            plain = sample.pred_sem_seg.data
            return (prob[1:] > self.segmentor.decode_head.threshold).to(plain)
        return prob.argmax(0, keepdim=True)


def _channel_order(model: BaseSegmentor, cfg: Mapping[str, Any]) -> str:
    if hasattr(model.data_preprocessor, 'denormalise'):  # ours: always RGB
        return 'rgb'
    preprocessor = cfg.get('data_preprocessor')
    told = isinstance(preprocessor, Mapping) and preprocessor.get('bgr_to_rgb')
    return 'rgb' if told else 'bgr'
