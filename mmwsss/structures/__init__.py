# Licensed under Apache-2.0.
"""What travels between the rooms: labels, maps, features."""

from .class_maps import ClassMaps
from .class_pairs import ClassPairs
from .features import Features, encode
from .image_labels import ImageLabels
from .side_fields import side_input

__all__ = ['ClassMaps', 'ClassPairs', 'Features', 'ImageLabels', 'encode', 'side_input']
