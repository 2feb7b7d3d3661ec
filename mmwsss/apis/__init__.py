# Licensed under Apache-2.0.
"""Use a trained model, and the operators on folders, from Python."""

from .generate.cfg import GenerateCfg
from .generate.run import GenerateReport, RunOptions, generate_labels
from .generate.walk import Affinity
from .inference import dataset_meta, init_model, predict_image, read_photo
from .refine import RefineReport, refine_folder
from .refine_maps import RefineCfg

__all__ = [
    'Affinity',
    'GenerateCfg',
    'GenerateReport',
    'RefineCfg',
    'RefineReport',
    'RunOptions',
    'dataset_meta',
    'generate_labels',
    'init_model',
    'predict_image',
    'read_photo',
    'refine_folder',
]
