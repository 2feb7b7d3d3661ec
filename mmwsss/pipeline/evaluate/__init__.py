# Licensed under Apache-2.0.
"""Folders of CAMs and masks: scores against pixel labels, reports."""
