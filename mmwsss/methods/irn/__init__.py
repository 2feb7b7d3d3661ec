# Licensed under Apache-2.0.
"""IRN: affinity network and random walk (Ahn et al., CVPR 2019)."""
