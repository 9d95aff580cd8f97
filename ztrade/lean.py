"""Importing libraries without what they bring along "if it is installed".

A worker holds its imports for weeks. Some libraries import others only to be of service to whoever uses both, and
nobody here does; hidden from them, tens of megabytes per worker are never loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Let the modules look as if they were not installed; one that is loaded already costs nothing more, and stays."""
    hidden = [name for name in names if name not in sys.modules]
    # None is what Python itself understands as: cannot be imported
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
