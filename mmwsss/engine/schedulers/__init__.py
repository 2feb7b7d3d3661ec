# Licensed under Apache-2.0.
"""Learning-rate schedules of the releases."""
