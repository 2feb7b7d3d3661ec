# Licensed under Apache-2.0.
"""The config of a method for own pictures, on which one for a folder stands."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mmwsss.io.errors import UserError

#: what the configs of methods for own pictures end with
ENDING = '_folder.py'
_DEIT = 'https://dl.fbaipublicfiles.com/deit/deit_'
_VIT_B = (
    'https://github.com/rwightman/pytorch-image-models/releases/download/'
    'v0.1-vitjx/jx_vit_base_p16_224-80ecf9dd.pth'
)


@dataclass(frozen=True)
class Backbone:
    """An encoder that can take the place of another of its kind.

    Attributes:
        arch: ``backbone.arch`` of ViTs; ``None``: no other config is changed for it.
        pretrained: its ImageNet weights.
        weight: its work, DeiT-Ti's being 1.
        width: channels of its tokens.
    """

    arch: str | None = None
    pretrained: str | None = None
    weight: float = 1.0
    width: int | None = None


BACKBONES: dict[str, Backbone] = {
    'deit-t': Backbone('deit-tiny', f'{_DEIT}tiny_patch16_224-a1311bcf.pth', 1.0, 192),
    'deit-s': Backbone(
        'deit-small', f'{_DEIT}small_patch16_224-cd65a155.pth', 2.8, 384
    ),
    'deit-b': Backbone('deit-base', f'{_DEIT}base_patch16_224-b5f2ef4d.pth', 8.0, 768),
    'vit-b': Backbone('base', _VIT_B, 8.0, 768),
    'mit-b1': Backbone(weight=2.0),
}


def find_templates(configs: Path) -> dict[str, dict[str, Path]]:
    """Method → backbone → config: all ``configs/METHOD/*_BACKBONE_folder.py``.

    A method is here by having such a file.

    Args:
        configs: the folder of all configs.
    """
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(configs.glob(f'[!_.]*/*{ENDING}')):
        backbone = path.name.removesuffix(ENDING).split('_')[-1]
        found.setdefault(path.parent.name, {})[backbone] = path
    return found


def find_template(configs: Path, method: str, backbone: str) -> tuple[Path, bool]:
    """The config to stand on, and whether its backbone is to be replaced.

    Args:
        configs: the folder of all configs.
        method: name of its folder.
        backbone: of ``BACKBONES``, or of a method's own config.

    Raises:
        UserError: if the method has no such config, or none with this backbone.
    """
    templates = find_templates(configs)
    if method not in templates:
        raise UserError(
            f'--method {method!r} has no config {ENDING} in {configs}; known are '
            f'{sorted(templates)}'
        )
    own = templates[method]
    if backbone in own:
        return own[backbone], False
    widths = {name: one.width for name, one in BACKBONES.items() if one.width}
    vits = [name for name in own if name in widths]
    if vits and backbone in widths:
        # of the nearest width, whose lengths and rates fit best
        wanted = widths[backbone]
        return own[min(vits, key=lambda n: (abs(widths[n] - wanted), n))], True
    raise UserError(
        f'--backbone {backbone!r} does not go with --method {method}; known are '
        f'{sorted({*own, *(widths if vits else ())})}'
    )


def default_backbone(configs: Path, method: str) -> str:
    """The one with the least work that a method has a config for.

    Args:
        configs: the folder of all configs.
        method: name of its folder; of an unknown one the smallest there is.
    """
    own = find_templates(configs).get(method, BACKBONES)
    return min(own, key=lambda name: BACKBONES.get(name, Backbone()).weight)


def base_name(template: Path, configs: Path, out: Path) -> str:
    """How a config names the one that it stands on.

    Args:
        template: that one.
        configs: the folder of all configs.
        out: the config.

    Returns:
        Relative where both lie in one clone; ``mmwsss::...`` of an installed package;
        else an absolute path.
    """
    root = configs.resolve().parent
    if root.name == '.mim':
        return f'mmwsss::{template.resolve().relative_to(configs.resolve()).as_posix()}'
    if root in out.resolve().parents:
        return Path(
            os.path.relpath(template.resolve(), out.resolve().parent)
        ).as_posix()
    return template.resolve().as_posix()
