# Licensed under Apache-2.0.
"""Names that tests imported from here before ``mmwsss.testing`` was there."""

from mmwsss.testing import build, pictures
from tests.helpers import ROOT

__all__ = ['ROOT', 'build', 'pictures']
