# Licensed under Apache-2.0.
from __future__ import annotations

from mmengine.model import BaseModule
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from torch import Tensor, nn

from mmwsss.registry import MODELS

NORM_EPS = 1e-5


@MODELS.register_module()
class ReconstructionDecoder(BaseModule):
    """Draws the image again from its primary tokens (SemFormer, section 3.2.3).

    Back projection to the encoder's width (Eq. 3; as released with LayerNorm), adapter
    to the decoder's width, transformer blocks without position embedding, then each
    token becomes a patch. New layers keep PyTorch's initialisation, as released.

    Args:
        in_channels: K D of the flattened primary tokens.
        embed_channels: d of the encoder.
        channels: width of the decoder.
        num_layers, num_heads: of its blocks.
        patch_size: side of a patch in pixels.
    """

    def __init__(
        self,
        in_channels: int,
        embed_channels: int = 768,
        channels: int = 768,
        num_layers: int = 8,
        num_heads: int = 12,
        patch_size: int = 16,
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.back_projection = nn.Sequential(
            nn.Linear(in_channels, embed_channels, bias=False),
            nn.LayerNorm(embed_channels, NORM_EPS),
        )
        self.adapter = nn.Linear(embed_channels, channels)
        self.layers = nn.Sequential(
            *[
                TransformerEncoderLayer(
                    channels,
                    num_heads,
                    4 * channels,
                    norm_cfg=dict(type='LN', eps=NORM_EPS),
                )
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(channels, NORM_EPS)
        self.to_pixels = nn.Linear(channels, 3 * patch_size**2)

    def init_weights(self) -> None:
        """Nothing: the layers of mmpretrain would set their own."""

    def forward(self, primary: Tensor, grid: tuple[int, int]) -> Tensor:
        """Primary tokens (B, h w, K, D) of a grid (h, w) → image (B, 3, h P, w P)."""
        x = self.adapter(self.back_projection(primary.flatten(2)))
        x = self.to_pixels(self.norm(self.layers(x)))
        patches = x.transpose(1, 2).unflatten(2, grid)  # (B, 3 P P, h, w)
        return nn.functional.pixel_shuffle(patches, self.patch_size)
