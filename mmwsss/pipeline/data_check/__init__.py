# Licensed under Apache-2.0.
"""All files of a data set, read and held against each other: the report."""
