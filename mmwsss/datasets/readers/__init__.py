# Licensed under Apache-2.0.
"""Readers of image labels: one form a file, registered by being in this folder."""
