# Licensed under Apache-2.0.
"""Pseudo labels of a data set: settings, images, maps, files."""
