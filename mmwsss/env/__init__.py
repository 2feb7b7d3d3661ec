# Licensed under Apache-2.0.
"""The doctor: what is installed, what is wrong with it, how to put it right.

Importing it imports nothing of the mm stack: it runs in a broken environment too.
"""
