# Licensed under Apache-2.0.
"""What travels between the rooms: labels, maps, features."""

from .class_maps import ClassMaps, FusedCAMs, StoredMaps
from .class_pairs import ClassPairs
from .features import Features, encode
from .image_labels import ImageLabels
from .pseudo_label import PseudoLabel
from .sample_fields import (
    PARTIAL,
    id_maps,
    known_pixels,
    label_lists,
    side_input,
    valid_boxes,
)

__all__ = [
    'ClassMaps',
    'ClassPairs',
    'Features',
    'FusedCAMs',
    'ImageLabels',
    'PARTIAL',
    'PseudoLabel',
    'StoredMaps',
    'encode',
    'id_maps',
    'known_pixels',
    'label_lists',
    'side_input',
    'valid_boxes',
]
