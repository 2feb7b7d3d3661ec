# Licensed under Apache-2.0.
"""Samplers of training items."""
