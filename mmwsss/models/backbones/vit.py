# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmpretrain.models import VisionTransformer
from torch import Tensor

from mmwsss.cam import at_least
from mmwsss.io.checkpoint import load_checkpoint_file
from mmwsss.io.errors import UserError, check_choice, first_lines
from mmwsss.models.converters.inflate import INFLATIONS, check_channels, inflated
from mmwsss.models.converters.vit_keys import unwrap_vit
from mmwsss.registry import MODELS
from mmwsss.structures import Features


@MODELS.register_module()
class WSSSViT(VisionTransformer):
    """mmpretrain's ViT with the taps that WSSS methods need.

    Patches at the right and bottom edge that don't fit are dropped (floor), as in timm.
    The final LayerNorm is applied to the last block's output only: an earlier tap is
    the raw residual stream (ToCo's release). Attention is fused.

    As a plain backbone (``forward``) it returns a tuple of maps (B, D, H/p, W/p), so
    that every mmseg head and segmentor works on it; :meth:`encode` adds the class
    token.

    Args:
        arch: as in mmpretrain, e.g. ``'base'`` or a dict of widths.
        out_indices: zero-based blocks to tap, ascending, the last block included.
            ToCo: ``(9, 11)``, i.e. after block 10 and after block 12.
        freeze_pos_embed: the position embedding gets no gradient (ToCo).
        patch_bias: bias of the patch embedding.
        pretrained: path or URL of ImageNet weights in timm's, DeiT's or mmpretrain's
            layout, loaded by :meth:`init_weights`; a file that can't be had or doesn't
            fit is an error, never a random start.
        in_channels: bands of the pictures.
        inflate: how RGB weights of ``pretrained`` are spread over other bands:
            ``'mean'`` or ``'rgb'``, see :func:`.inflate_weight`.
        **kwargs: further arguments of mmpretrain's ``VisionTransformer``.

    Raises:
        ValueError: if the last block isn't tapped.
    """

    def __init__(
        self,
        *,
        arch: str | dict = 'base',
        out_indices: Sequence[int] = (9, 11),
        freeze_pos_embed: bool = False,
        patch_bias: bool = True,
        pretrained: str | None = None,
        in_channels: int = 3,
        inflate: str = 'mean',
        **kwargs: Any,
    ) -> None:
        check_choice('inflate', inflate, INFLATIONS)
        super().__init__(
            arch=arch,
            in_channels=in_channels,
            out_indices=list(out_indices),
            out_type='raw',
            patch_cfg=dict(bias=patch_bias, padding=0),
            **kwargs,
        )
        if self.out_indices[-1] != self.num_layers - 1:
            raise ValueError(
                f'out_indices={tuple(out_indices)} must end with the last block, '
                f'{self.num_layers - 1}: the final map comes from there'
            )
        self.pos_embed.requires_grad_(not freeze_pos_embed)
        self.pretrained = pretrained
        self.in_channels, self.inflate = in_channels, inflate

    def init_weights(self) -> None:
        """Initialise, from ``pretrained`` where it is given.

        Raises:
            ValueError: if the file's tensors aren't those of this network.
        """
        super().init_weights()
        if self.pretrained is not None:
            self.take_weights(self.pretrained)

    def take_weights(self, path: str) -> None:
        """Take the weights of a file.

        Raises:
            ValueError: if its tensors aren't those of this network.
        """
        loaded = self.load_pretrained(path)
        try:
            state = inflated(
                self.fit_pretrained(self.read_pretrained(loaded)),
                'patch_embed.projection.weight',
                self.in_channels,
                self.inflate,
            )
            self.load_state_dict(state, strict=True)  # resizes the position embedding
        # mmpretrain asserts that the position embedding is a square
        except (RuntimeError, ValueError, AssertionError) as error:
            raise UserError(
                f'{path} does not fit this {type(self).__name__} (width '
                f'{self.embed_dims}, {self.num_layers} blocks): '
                f'{first_lines(str(error))}'
            ) from error

    def load_pretrained(self, file: str) -> Any:
        """What a file of weights, a path or URL, holds."""
        return load_checkpoint_file(file, map_location='cpu')

    def read_pretrained(self, loaded: Mapping[str, Any]) -> dict[str, Tensor]:
        """The weights of a file, under the names of this network."""
        return unwrap_vit(loaded)

    def fit_pretrained(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The weights of a plain ViT as :meth:`init_weights` loads them, strictly."""
        if state.pop('dist_token', None) is not None:  # a distilled DeiT's second slot
            slots = state['pos_embed']
            state['pos_embed'] = torch.cat([slots[:, :1], slots[:, 2:]], 1)
        if self.cls_token is None and state.pop('cls_token', None) is not None:
            # mmpretrain drops the class slot only where the grids are equal
            state['pos_embed'] = state['pos_embed'][:, 1:]
        return state

    @property
    def map_widths(self) -> tuple[int, ...]:
        """Channels of the maps."""
        return (self.embed_dims,) * len(self.out_indices)

    def train(self, mode: bool = True) -> WSSSViT:
        """Set the mode; returns the module, which mmpretrain's own forgets."""
        super().train(mode)
        return self

    def _format_output(self, x: Tensor, hw: Sequence[int]) -> Tensor | tuple:
        patches = x[:, self.num_extra_tokens :]
        grid = patches.transpose(1, 2).unflatten(2, tuple(hw))
        return grid, x[:, 0] if self.num_extra_tokens else None

    def fit_size(self, images: Tensor) -> Tensor:
        """Images (B, N, H, W) with at least one patch: sides below are stretched.

        Whoever predicts resizes the maps to the picture anyway, as after any other
        change of its size.

        Raises:
            UserError: if they have another number of bands than the network.
            ValueError: in training, whose crops are of one size.
        """
        check_channels(images, self.in_channels)
        patch = self.patch_embed.projection.stride
        if self.training and (
            images.shape[-2] < patch[0] or images.shape[-1] < patch[1]
        ):
            raise ValueError(
                f'images of {tuple(images.shape[-2:])} pixels are smaller than one '
                f'{patch[0]}x{patch[1]} patch: raise crop_size'
            )
        return at_least(images, max(patch))

    def encode(self, images: Tensor) -> Features:
        """Encode normalised images (B, N, H, W) into maps and the class token.

        Raises:
            ValueError: in training, if an image is smaller than one patch.
        """
        taps = super().forward(self.fit_size(images))
        return Features(tuple(grid for grid, _ in taps), taps[-1][1])

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The maps of the tapped blocks (B, D, h, w), final last."""
        return self.encode(images).maps
