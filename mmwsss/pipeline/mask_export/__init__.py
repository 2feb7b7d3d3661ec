# Licensed under Apache-2.0.
"""Predicted masks as files of labelling tools: COCO and LabelMe."""
