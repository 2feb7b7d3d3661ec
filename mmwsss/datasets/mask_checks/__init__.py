# Licensed under Apache-2.0.
"""Masks held against the image labels and the class list of their data set."""
