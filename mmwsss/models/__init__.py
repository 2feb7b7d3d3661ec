# Licensed under Apache-2.0.
"""What at least two methods share: base segmentor, backbones, heads, losses."""

from mmwsss.registry import import_modules  # first: it silences mmseg

# isort: split
# A child registry never imports its parents' locations: without these two lines
# `EncoderDecoder` or `mmpretrain.ResNet` would not be found.
import mmpretrain.models  # noqa: F401
import mmseg.models  # noqa: F401

import_modules(__name__)
