"""Who may bring a store to a newer schema."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeAlias

__all__ = ["Owner"]

Owner: TypeAlias = Callable[[], AbstractContextManager[None]]
"""Holds the right to migrate while it is open."""
