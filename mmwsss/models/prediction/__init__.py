# Licensed under Apache-2.0.
"""Prediction of weakly supervised networks: settings, passes, outputs."""
