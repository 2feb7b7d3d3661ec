# Licensed under Apache-2.0.
"""SemFormer: class-aware auto-encoder, then segmentor (Chen et al., 2022)."""
