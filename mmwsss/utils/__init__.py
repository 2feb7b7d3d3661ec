# Licensed under Apache-2.0.
"""Small helpers. Importing this package imports nothing of the mm stack, so
that `python -m mmwsss.utils.collect_env` runs in a broken environment too.
"""
