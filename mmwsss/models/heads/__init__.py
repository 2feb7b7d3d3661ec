# Licensed under Apache-2.0.
"""Heads on feature maps: classifiers with CAM, decoders, projections."""
