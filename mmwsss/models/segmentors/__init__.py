# Licensed under Apache-2.0.
"""The base of all methods, and what goes around any segmentor."""
