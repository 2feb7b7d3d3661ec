# Licensed under Apache-2.0.
"""Large pictures as a data set of tiles, and masks of tiles as masks of pictures."""
