"""Lets the tests, and processes that they start, import records.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
