# Licensed under Apache-2.0.
"""Use a trained model, and the operators on folders, from Python."""

from mmwsss.pipeline.generate.generate_cfg import GenerateCfg
from mmwsss.pipeline.generate.generate_labels import (
    GenerateReport,
    RunOptions,
    generate_labels,
)
from mmwsss.pipeline.generate.walked_maps import Affinity
from mmwsss.pipeline.inference import (
    dataset_meta,
    init_model,
    predict_image,
    read_photo,
)
from mmwsss.pipeline.refine.refine_cfg import RefineCfg
from mmwsss.pipeline.refine.refine_folder import RefineReport, refine_folder

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
