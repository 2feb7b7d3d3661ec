# Licensed under Apache-2.0.
"""A page for the browser: a photo in, mask, CAMs and confidence out."""
