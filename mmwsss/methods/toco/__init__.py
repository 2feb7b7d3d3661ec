# Licensed under Apache-2.0.
"""ToCo: token contrast (Ru et al., CVPR 2023). ``toco.py`` tells the method."""
