# Licensed under Apache-2.0.
"""What a file of a network says of itself, beside its graph."""

from __future__ import annotations

import json
from typing import Any

from torch import nn

from mmwsss.io.palette import full_palette
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.pipeline.inference import class_names
from mmwsss.version import __version__

from .pixel_rule import PixelRule

#: outputs → what they are
OUTPUTS = dict(
    prob='probabilities of the pixels, background first: (batch, classes, H, W)',
    scores='probabilities that the image holds a class, without background: '
    '(batch, classes - 1)',
    cams='class activation maps in [0, 1] of every class, without background: '
    '(batch, classes - 1, H, W); those of classes with a low score mean nothing',
)


def file_facts(
    model: nn.Module, names: tuple[str, ...], size: tuple[int, int], **also: Any
) -> dict[str, str]:
    """What whoever runs the file has to know, each entry as JSON.

    Args:
        model: from :func:`.init_model`.
        names: of the outputs.
        size: (H, W) of the images.
        **also: further entries.

    Returns:
        ``classes`` by id, background first; ``palette``, one colour each; ``mean`` and
        ``std`` of the ``channels``, on 0..255; ``size`` (H, W); ``outputs``;
        ``picture``, how files become pixels (:class:`.PictureRule`; empty: 8-bit RGB,
        turned upright); ``made_by``.

    Raises:
        UserError: if nobody says the names of the classes.
    """
    classes, pixels = class_names(model), PixelRule.of(model)
    facts = dict(
        classes=classes,
        palette=full_palette(model.dataset_meta.get('palette'))[
            : len(classes)
        ].tolist(),
        mean=pixels.mean,
        std=pixels.std,
        channels='RGB' if len(pixels.mean) == 3 else f'{len(pixels.mean)} bands',
        size=size,
        outputs={name: OUTPUTS[name] for name in names},
        picture=PictureRule.of(model.picture).entries(),
        made_by=f'mmwsss {__version__}',
    )
    return {name: json.dumps(value) for name, value in (facts | also).items()}
