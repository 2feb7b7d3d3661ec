# Licensed under Apache-2.0.
"""SMAF: self-training on multi-scale attention fusion (Yang et al., 2023)."""
