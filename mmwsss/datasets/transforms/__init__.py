# Licensed under Apache-2.0.
"""Transforms of pictures and of what follows their geometry."""
