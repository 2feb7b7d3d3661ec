# Licensed under Apache-2.0.
"""Weights of an RGB network for pictures of another number of bands. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmengine.logging import print_log
from torch import Tensor

from mmwsss.io.errors import UserError, check_choice

INFLATIONS = ('mean', 'rgb')


def inflate_weight(weight: Tensor, in_channels: int, rule: str = 'mean') -> Tensor:
    """The first convolution of an RGB network, for N bands.

    * ``'mean'``: every band gets the mean over R, G and B, times 3 / N,
      w'_n = (w_R + w_G + w_B) / N: a picture whose bands are all equal gives what a
      grey one gives in RGB.
    * ``'rgb'``: bands 0, 1 and 2 keep the weights of R, G and B, further bands start
      with 0: at first the network sees the first three alone.

    Args:
        weight: (D, 3, h, w) float.
        in_channels: N.
        rule: one of ``INFLATIONS``.

    Returns:
        (D, N, h, w), of the same type.

    Raises:
        UserError: if the rule is unknown, or ``'rgb'`` has fewer than three bands.
    """
    check_choice('inflate', rule, INFLATIONS)
    if rule == 'mean':
        return (weight.sum(1, keepdim=True) / in_channels).repeat(1, in_channels, 1, 1)
    if in_channels < 3:
        raise UserError(
            f"inflate='rgb' needs three bands or more, in_channels={in_channels}: use "
            "inflate='mean'"
        )
    more = weight.new_zeros(len(weight), in_channels - 3, *weight.shape[2:])
    return torch.cat([weight, more], 1)


def inflated(
    state: Mapping[str, Tensor], key: str, in_channels: int, rule: str
) -> dict[str, Tensor]:
    """A network's weights with the first convolution for N bands, said in the log.

    Args:
        state: parameter name → tensor.
        key: name of that convolution's weight.
        in_channels: N.
        rule: see :func:`inflate_weight`.

    Returns:
        The same where the weight is there for N bands already, or isn't one of RGB.
    """
    weight = state.get(key)
    if weight is None or weight.shape[1] != 3 or in_channels == 3:
        return dict(state)
    print_log(
        f'{key}: weights of RGB become weights of {in_channels} bands, by the rule '
        f'{rule!r}',
        'current',
    )
    return {**state, key: inflate_weight(weight, in_channels, rule)}


def check_channels(images: Tensor, in_channels: int) -> None:
    """Refuse pictures of another number of bands than a network's.

    Args:
        images: (B, N, H, W).
        in_channels: of the network.

    Raises:
        UserError: naming both numbers and the settings.
    """
    if images.shape[1] != in_channels:
        raise UserError(
            f'the pictures have {images.shape[1]} bands, the network takes '
            f'{in_channels}: set model.backbone.in_channels={images.shape[1]} (and as '
            'many numbers in data_preprocessor.mean and std), or take other bands by '
            'picture=dict(bands=...) of the data set'
        )
