# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence

from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm
from torch import Tensor, nn

from mmwsss.io.errors import check_choice
from mmwsss.models.converters.inflate import INFLATIONS, check_channels, inflated
from mmwsss.models.converters.wide_resnet_keys import load_wide_resnet
from mmwsss.registry import MODELS

#: output widths of stem and stages: conv1a, b2, b3, b4, b5, b6, b7
WIDTHS = (64, 128, 256, 512, 1024, 2048, 4096)
#: units of each stage: b2, b2_1, b2_2; b3, …
DEPTHS = (3, 3, 6, 3, 1, 1)
STAGES = ('b2', 'b3', 'b4', 'b5', 'b6', 'b7')
TAPS = (4, 5, 6)


def conv3x3(width: int, out: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A 3×3 convolution without bias, padding = dilation."""
    return nn.Conv2d(width, out, 3, stride, dilation, dilation, bias=False)


def conv1x1(width: int, out: int, stride: int = 1) -> nn.Conv2d:
    """A 1×1 convolution without bias."""
    return nn.Conv2d(width, out, 1, stride, bias=False)


def norm(cfg: dict, width: int) -> nn.Module:
    """A norm layer of that width."""
    return build_norm_layer(cfg, width)[1]


class BasicUnit(nn.Module):
    """Pre-activation unit of two 3×3 convolutions (EPS's release).

    ``a = ReLU(BN(x))``; the shortcut is a 1×1 convolution of ``a`` where the shape
    changes, else the raw ``x``; nothing follows the sum.

    Args:
        width, inner, out: channels.
        stride: of the first convolution.
        dilations: of the two convolutions.
        norm_cfg: of the norm layers.
    """

    def __init__(
        self,
        width: int,
        inner: int,
        out: int,
        stride: int,
        dilations: tuple[int, int],
        norm_cfg: dict,
    ) -> None:
        super().__init__()
        self.bn_branch2a = norm(norm_cfg, width)
        self.conv_branch2a = conv3x3(width, inner, stride, dilations[0])
        self.bn_branch2b1 = norm(norm_cfg, inner)
        self.conv_branch2b1 = conv3x3(inner, out, 1, dilations[1])
        if stride != 1 or width != out:
            self.conv_branch1 = conv1x1(width, out, stride)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, width, H, W) → the unit's output and its ``a``."""
        a = self.bn_branch2a(x).relu()
        shortcut = self.conv_branch1(a) if hasattr(self, 'conv_branch1') else x
        branch = self.bn_branch2b1(self.conv_branch2a(a)).relu()
        return shortcut + self.conv_branch2b1(branch), a


class BottleneckUnit(nn.Module):
    """Pre-activation unit 1×1, dilated 3×3, 1×1 with channel dropout between them.

    Inner widths are a quarter and a half of the output's. Source: EPS's release.

    Args:
        width, out: channels.
        dilation: of the 3×3 convolution.
        dropout: probability with which whole channels are dropped.
        norm_cfg: of the norm layers.
    """

    def __init__(
        self, width: int, out: int, dilation: int, dropout: float, norm_cfg: dict
    ) -> None:
        super().__init__()
        self.bn_branch2a = norm(norm_cfg, width)
        self.conv_branch2a = conv1x1(width, out // 4)
        self.bn_branch2b1 = norm(norm_cfg, out // 4)
        self.conv_branch2b1 = conv3x3(out // 4, out // 2, dilation=dilation)
        self.bn_branch2b2 = norm(norm_cfg, out // 2)
        self.conv_branch2b2 = conv1x1(out // 2, out)
        self.conv_branch1 = conv1x1(width, out)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, width, H, W) → the unit's output and its ``a``."""
        a = self.bn_branch2a(x).relu()
        branch = self.bn_branch2b1(self.conv_branch2a(a)).relu()
        branch = self.conv_branch2b1(self.dropout(branch))
        branch = self.bn_branch2b2(branch).relu()
        branch = self.conv_branch2b2(self.dropout(branch))
        return self.conv_branch1(a) + branch, a


@MODELS.register_module()
class WideResNet38(BaseModule):
    """Wide-ResNet-38, model A1 of "Wider or Deeper" at output stride 8.

    Its parameters carry the names of the public checkpoints (``b4_3.conv_branch2a``).
    Source: Wu et al., Wider or Deeper, 2016.

    Args:
        widths: output channels of conv1a and of the stages b2 to b7. The inner width
            of b5 is the width of b4; b6 and b7 have a quarter and a half of theirs.
        out_indices: taps in ascending order. 4: activated input of b5; 5: that of b6;
            6: the final map, after bn7 and ReLU. All at stride 8.
        dropout: of whole channels in b6 and b7.
        frozen_stages: stages without gradient and with resting norm statistics: −1
            none, 0 conv1a, 1 also b2 (as published), 2 also b3, …
        norm_cfg: of all norm layers; ``requires_grad=False`` freezes weight and bias.
        norm_eval: norm statistics rest in training too (as published).
        pretrained: path or URL of weights: the public ImageNet file of MXNet
            (``.params``), one converted to .pth, or ours; a file that can't be had or
            doesn't fit is an error, never a random start.
        in_channels: bands of the pictures.
        inflate: how RGB weights of ``pretrained`` are spread over other bands:
            ``'mean'`` or ``'rgb'``, see :func:`.inflate_weight`.
        init_cfg: mmengine initialisation; default: Kaiming normal.

    Raises:
        ValueError: if widths, taps or frozen stages aren't those of this network.
    """

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        out_indices: Sequence[int] = (6,),
        dropout: tuple[float, float] = (0.3, 0.5),
        frozen_stages: int = -1,
        norm_cfg: dict | None = None,
        norm_eval: bool = False,
        pretrained: str | None = None,
        in_channels: int = 3,
        inflate: str = 'mean',
        init_cfg: dict | None = None,
    ) -> None:
        check_choice('inflate', inflate, INFLATIONS)
        super().__init__(
            init_cfg
            or [
                dict(type='Kaiming', layer='Conv2d'),
                dict(type='Constant', layer='_BatchNorm', val=1),
            ]
        )
        _check(widths, out_indices, frozen_stages)
        self.widths, self.out_indices = tuple(widths), tuple(out_indices)
        self.frozen_stages, self.norm_eval = frozen_stages, norm_eval
        self.pretrained = pretrained
        self.in_channels, self.inflate = in_channels, inflate
        norm_cfg = norm_cfg or dict(type='BN')
        self.conv1a = conv3x3(in_channels, widths[0])
        for stage, name in enumerate(STAGES):
            for k in range(DEPTHS[stage]):
                unit = self._unit(stage, k, dropout, norm_cfg)
                self.add_module(f'{name}_{k}' if k else name, unit)
        self.bn7 = norm(norm_cfg, widths[-1])
        self._freeze()

    def _unit(
        self, stage: int, k: int, dropout: tuple[float, float], norm_cfg: dict
    ) -> nn.Module:
        """Unit ``k`` of a stage, counted from 0 for b2."""
        out = self.widths[stage + 1]
        width = out if k else self.widths[stage]
        if stage >= 4:
            return BottleneckUnit(width, out, 4, dropout[stage - 4], norm_cfg)
        if stage == 3:  # dilated instead of strided
            return BasicUnit(
                width, self.widths[stage], out, 1, (2 if k else 1, 2), norm_cfg
            )
        return BasicUnit(width, out, out, 1 if k else 2, (1, 1), norm_cfg)

    @property
    def embed_dims(self) -> tuple[int, ...]:
        """Channels of the taps."""
        return tuple(
            {4: self.widths[3], 5: self.widths[4], 6: self.widths[6]}[i]
            for i in self.out_indices
        )

    #: what heads take their width from
    map_widths = embed_dims

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Normalised images (B, N, H, W) → taps (B, D, ⌈H/8⌉, ⌈W/8⌉)."""
        check_channels(images, self.in_channels)
        x, taps = self.conv1a(images), {}
        for name, unit in self.named_children():
            if name not in ('conv1a', 'bn7'):
                x, a = unit(x)
            if name in ('b5', 'b6'):
                taps[dict(b5=4, b6=5)[name]] = a
        taps[6] = self.bn7(x).relu()
        return tuple(taps[i] for i in self.out_indices)

    def init_weights(self) -> None:
        """Initialise, from ``pretrained`` where it is given.

        Raises:
            ValueError: if the file's tensors aren't those of this network.
        """
        super().init_weights()
        if self.pretrained is None:
            return
        state = inflated(
            load_wide_resnet(self.pretrained),
            'conv1a.weight',
            self.in_channels,
            self.inflate,
        )
        counters = {k for k in self.state_dict() if k.endswith('num_batches_tracked')}
        try:
            found = self.load_state_dict(state, strict=False)
        except RuntimeError as error:  # shapes
            raise ValueError(
                f'{self.pretrained} does not fit a {type(self).__name__} '
                f'of widths {self.widths}: {error}'
            ) from error
        wrong = [*found.unexpected_keys, *(set(found.missing_keys) - counters)]
        if wrong:
            raise ValueError(
                f'{self.pretrained} does not fit this {type(self).__name__}: '
                f'{len(wrong)} keys are missing or unknown, e.g. {sorted(wrong)[:4]}'
            )

    def train(self, mode: bool = True) -> WideResNet38:
        """Set the mode; frozen norms stay in evaluation mode."""
        super().train(mode)
        frozen = self._frozen_modules()
        resting = (
            self.modules()
            if self.norm_eval
            else (m for part in frozen for m in part.modules())
        )
        for module in resting:
            if isinstance(module, _BatchNorm):
                module.eval()
        return self

    def _frozen_modules(self) -> list[nn.Module]:
        names = STAGES[: max(self.frozen_stages, 0)]
        return [
            child
            for name, child in self.named_children()
            if name.split('_')[0] in names
            or (name == 'conv1a' and self.frozen_stages >= 0)
        ]

    def _freeze(self) -> None:
        # Here and not on the way into training mode, so that the optimizer never
        # sees what isn't trained.
        for module in self._frozen_modules():
            module.requires_grad_(False)


def _check(
    widths: Sequence[int], out_indices: Sequence[int], frozen_stages: int
) -> None:
    if len(widths) != len(WIDTHS) or any(w < 1 or w % 4 for w in widths[-2:]):
        raise ValueError(
            f'widths must be {len(WIDTHS)} numbers, the last two '
            f'divisible by 4, got {tuple(widths)}'
        )
    taps = tuple(out_indices)
    if not taps or taps != tuple(sorted(set(taps))) or not set(taps) <= set(TAPS):
        raise ValueError(
            f'out_indices must be taken from {TAPS}, ascending, got {taps}'
        )
    if not -1 <= frozen_stages <= len(STAGES):
        raise ValueError(
            f'frozen_stages must be in -1..{len(STAGES)}, got {frozen_stages}'
        )
