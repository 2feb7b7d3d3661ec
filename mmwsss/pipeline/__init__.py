# Licensed under Apache-2.0.
"""Long work on folders: what is done, resumable, changed."""
