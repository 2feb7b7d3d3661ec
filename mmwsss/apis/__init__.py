# Licensed under Apache-2.0.
"""Use a trained model from Python."""

from .inference import dataset_meta, init_model, predict_image, read_photo

__all__ = ['dataset_meta', 'init_model', 'predict_image', 'read_photo']
