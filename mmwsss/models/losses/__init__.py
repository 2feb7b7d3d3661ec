# Licensed under Apache-2.0.
"""Losses that several methods share: a pure function and a thin module each."""
