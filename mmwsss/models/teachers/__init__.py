# Licensed under Apache-2.0.
"""Networks that teach: moving averages and frozen ones."""
