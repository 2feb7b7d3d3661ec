# Licensed under Apache-2.0.
"""WeCLIP and WeCLIP+: a decoder on frozen encoders. ``weclip.py`` tells them."""
