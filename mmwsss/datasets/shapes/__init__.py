# Licensed under Apache-2.0.
"""The Shapes benchmark: a drawn data set that needs no download."""

from .shapes_dataset import ShapesDataset, folder_metainfo

__all__ = ['ShapesDataset', 'folder_metainfo']
