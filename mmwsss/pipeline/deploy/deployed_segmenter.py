# Licensed under Apache-2.0.
from __future__ import annotations

from mmseg.models import EncoderDecoder
from torch import Tensor, nn


class DeployedSegmenter(nn.Module):
    """A segmenter of mmseg as a function of images alone, fit to be traced.

    Args:
        model: the segmenter, in evaluation mode, with a decoder of two channels or
            more.
        bgr: the network takes B, G, R; what is deployed takes R, G, B always.
        all_views: predict as ``test_cfg`` says, where it names scales and mirrors (see
            ``MultiScaleEncoderDecoder``); ``False``: the images alone.
    """

    names = ('prob',)

    def __init__(self, model: EncoderDecoder, bgr: bool, all_views: bool) -> None:
        super().__init__()
        self.model, self.bgr = model, bgr
        self.predict = model.whole_inference if all_views else model.encode_decode

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Predict normalised images (B, 3, H, W), float32, RGB.

        Returns:
            ``prob`` (B, C + 1, H, W), softmax of the decoder, float32.
        """
        size = (images.shape[-2], images.shape[-1])
        images = images.flip(1) if self.bgr else images
        logits = self.predict(images, [dict(img_shape=size)])
        return (logits.float().softmax(1),)
