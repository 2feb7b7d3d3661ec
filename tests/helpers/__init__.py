# Licensed under Apache-2.0.
from pathlib import Path

#: the clone that the tests belong to
ROOT = Path(__file__).resolve().parents[2]
