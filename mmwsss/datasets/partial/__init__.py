# Licensed under Apache-2.0.
"""A little more than image labels: pixels that are known of some pictures."""
