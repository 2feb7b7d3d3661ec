# Licensed under Apache-2.0.
"""CLIP-ES: CLIP is also an efficient segmenter (CVPR 2023). ``clip_es.py`` tells it."""
