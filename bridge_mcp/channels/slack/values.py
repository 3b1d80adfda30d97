"""What Slack sends, taken as what it should be: another shape counts as nothing there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

__all__ = ["inner", "listed"]


def inner(given: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object at a key; an empty one where there is none."""
    found: object = given.get(key)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def listed(given: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The objects of the list at a key."""
    found: object = given.get(key)
    every = cast("list[object]", found) if isinstance(found, list) else []
    return [cast("dict[str, Any]", each) for each in every if isinstance(each, dict)]
