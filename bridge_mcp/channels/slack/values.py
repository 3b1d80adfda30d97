"""Reads values of Slack's JSON by their expected type: a value of another type counts as missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

__all__ = ["inner", "listed"]


def inner(container: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object at a key; an empty one where there is none."""
    value: object = container.get(key)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def listed(container: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The objects of the list at a key."""
    value: object = container.get(key)
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]
