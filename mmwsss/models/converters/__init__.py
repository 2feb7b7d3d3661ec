# Licensed under Apache-2.0.
"""Key maps of backbones that several methods share, pure: dict in, dict out."""
