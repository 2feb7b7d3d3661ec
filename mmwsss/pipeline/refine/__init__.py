# Licensed under Apache-2.0.
"""A folder of score maps and its images to label PNGs."""
