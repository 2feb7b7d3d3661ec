# Licensed under Apache-2.0.
"""mmwsss: weakly supervised semantic segmentation from image-level labels.

Importing the package itself is light on purpose: `mmwsss.ops` and `mmwsss.cam`
need PyTorch only, and `python -m mmwsss.env.doctor` has to run where
the rest of the environment is broken.
"""

from . import moved
from .version import __version__

__all__ = ['__version__']

moved.install()
