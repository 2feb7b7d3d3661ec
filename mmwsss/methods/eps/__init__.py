# Licensed under Apache-2.0.
"""EPS: explicit pseudo-pixel supervision by saliency (Lee et al., CVPR 2021)."""
