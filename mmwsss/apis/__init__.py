# Licensed under Apache-2.0.
"""Use a trained model, and the operators on folders, from Python."""

from .inference import dataset_meta, init_model, predict_image, read_photo
from .refine import RefineReport, refine_folder
from .refine_maps import RefineCfg

__all__ = ['RefineCfg', 'RefineReport', 'dataset_meta', 'init_model', 'predict_image',
           'read_photo', 'refine_folder']
