# Licensed under Apache-2.0.
"""Use a trained model, and the operators on folders, from Python."""

import mmseg.apis  # noqa: F401  registers what a child registry would not find

from mmwsss.apis.inferencer import WSSSInferencer
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
from mmwsss.pipeline.predict.photo_prediction import PhotoPrediction
from mmwsss.pipeline.refine.refine_cfg import RefineCfg
from mmwsss.pipeline.refine.refine_folder import RefineReport, refine_folder
from mmwsss.pipeline.zoo_models import zoo_model

__all__ = [
    'Affinity',
    'GenerateCfg',
    'GenerateReport',
    'PhotoPrediction',
    'RefineCfg',
    'RefineReport',
    'RunOptions',
    'WSSSInferencer',
    'dataset_meta',
    'generate_labels',
    'init_model',
    'predict_image',
    'read_photo',
    'refine_folder',
    'zoo_model',
]
