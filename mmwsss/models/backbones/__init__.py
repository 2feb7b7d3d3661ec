# Licensed under Apache-2.0.
"""Encoders: images (B, 3, H, W) to a tuple of feature maps."""
