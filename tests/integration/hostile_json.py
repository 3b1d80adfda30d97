"""JSON texts that readers stumble over, planted at any place of a document that somebody else would send."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, cast

__all__ = ["FRAGMENTS", "planted"]

FRAGMENTS = (
    *("[" * levels + "]" * levels for levels in (127, 129, 201, 1_200, 100_000)),
    *('{"a":' * levels + "1" + "}" * levels for levels in (129, 1_200, 50_000)),
    "NaN", "-Infinity", "1e999", "-1e999", "9" * 5_000, "0.1e-9999", "1" + "0" * 308,
    '"\\ud800"', '"\\u0000"', '"' + "x" * 100_000 + '"', '"\\u202e\\u001b[2J"', '""',
    '{"a":1,"a":2}', '{"":{}}', "[]", "{}", "null", "true", "-0", "[null,[],{}]",
    "[", '{"a"', '"\\', "nul", "", "]", "\u00e9", "'x'", "01",
)  # fmt: skip
"""Values, and pieces that are none."""

MARK = "@planted@"


def planted(document: Any, count: int, seed: int) -> Iterator[str]:
    """So many texts of this document, each with one fragment in the place of one of its values, or cut off."""
    chance = random.Random(seed)
    places = list(paths(document))
    for _ in range(count):
        text = json.dumps(replaced(document, chance.choice(places))).replace(json.dumps(MARK), chance.choice(FRAGMENTS))
        yield text[: chance.randrange(len(text))] if chance.random() < 0.1 and text else text


def paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in it, itself included."""
    yield before
    for name, each in inner(value):
        yield from paths(each, (*before, name))


def inner(value: Any) -> Iterator[tuple[Any, Any]]:
    """The names or places in an object or a list, each with its value."""
    if isinstance(value, dict):
        yield from cast("dict[str, Any]", value).items()
    elif isinstance(value, list):
        yield from enumerate(cast("list[Any]", value))


def replaced(value: Any, path: tuple[Any, ...]) -> Any:
    """The same with the mark in one place."""
    if not path:
        return MARK
    first, *rest = path
    changed = [(name, replaced(each, tuple(rest)) if name == first else each) for name, each in inner(value)]
    return dict(changed) if isinstance(value, dict) else [each for _, each in changed]
