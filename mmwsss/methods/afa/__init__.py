# Licensed under Apache-2.0.
"""AFA: affinity from attention (Ru et al., CVPR 2022)."""
