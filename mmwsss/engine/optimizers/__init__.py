# Licensed under Apache-2.0.
"""Optimizers and the groups of parameters that they get."""
