# Licensed under Apache-2.0.
"""Files: checkpoints, label PNGs, score files, written whole or not at all.

Importing it imports nothing of the mm stack.
"""
