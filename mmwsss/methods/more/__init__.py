# Licensed under Apache-2.0.
"""MoRe: class-patch attention, regularised (AAAI 2025). ``more.py`` tells it."""
