# Licensed under Apache-2.0.
"""Names that tests imported from here before ``mmwsss.testing`` was there."""

from mmwsss.testing.tool_runs import TIMEOUT, free_port, train
from mmwsss.testing.training_runs import assert_same, load
from tests.helpers import ROOT

__all__ = ['ROOT', 'TIMEOUT', 'assert_same', 'free_port', 'load', 'train']
