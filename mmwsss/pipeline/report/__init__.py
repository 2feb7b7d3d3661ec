# Licensed under Apache-2.0.
"""A page to look at a run: what was read, what was computed, how it is shown."""
