# Licensed under Apache-2.0.
"""SeCo: separate and conquer (CVPR 2024). ``seco.py`` tells the method."""
