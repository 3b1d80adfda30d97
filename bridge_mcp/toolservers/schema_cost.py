"""What checking a value by a JSON schema can cost at most, found by looking at the schema alone.

A schema is a program that a stranger wrote: `allOf` over references doubles with each of them, a reference to itself at
the same place has no end, and two branches that look at the same child double with each level of the value. This
counts, for any one place of a value, the parts of the schema that are evaluated there (`here`), how many of them look
at one and the same child (`fan`), and the work of their patterns. Knows no engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from bridge_mcp.core.json_reader import JSON

__all__ = ["Cost", "cost_of"]

MAX_COST = 1 << 40
"""Counts end here: whatever is beyond is too much."""
MAX_CHAIN = 100
"""References and branches behind each other at one place."""

IN_PLACE = ("not", "if", "then", "else", "propertyNames")
IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
IN_PLACE_MAPS = ("dependentSchemas", "dependencies")
CHILDREN = ("additionalProperties", "items", "additionalItems", "contains")
CHILD_LISTS = ("prefixItems", "items")
CHILD_MAPS = ("properties", "patternProperties")
DEFINITIONS = ("$defs", "definitions")
UNBOUNDED = ("unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef")
"""Keywords whose cost cannot be read off: they look back at what other parts did, or at who refers to them."""
COUNTED = re.compile(r"\{(\d{1,9})?,?(\d{1,9})?\}")


class Unknown(Exception):
    """The cost cannot be told."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What is evaluated at one place of a value, at most."""

    here: int = 0
    fan: int = 0
    patterns: int = 0
    """Characters of patterns, those that are repeated so often as they may be."""

    def plus(self, other: Cost) -> Cost:
        return Cost(
            min(MAX_COST, self.here + other.here),
            min(MAX_COST, self.fan + other.fan),
            min(MAX_COST, self.patterns + other.patterns),
        )

    def steps(self, text: str) -> tuple[int, int]:
        """The evaluations for a value with this JSON text, and the steps of patterns."""
        pieces = text.count(",") + text.count(":") + 1
        levels = min(text.count("[") + text.count("{"), 128) if self.fan > 1 else 0
        times = min(MAX_COST, self.fan**levels)
        return self.here * times * pieces, self.patterns * times * len(text)


def cost_of(schema: JSON) -> Cost | None:
    """The highest cost at any place; None where it cannot be told, or has no end."""
    try:
        return Reading(schema).all()
    except Unknown:
        return None


@dataclass(slots=True)
class Reading:
    """One schema and what is known of its parts, by their identity."""

    root: JSON
    known: dict[int, Cost] = field(default_factory=dict[int, Cost])
    open: set[int] = field(default_factory=set[int])

    def all(self) -> Cost:
        """The maximum over every part that a value can come to.

        Raises:
            Unknown: see `cost_of`.
        """
        highest = Cost()
        waiting, seen = [self.root], set[int]()
        while waiting:
            part = waiting.pop()
            if id(part) in seen or not isinstance(part, dict):
                continue
            seen.add(id(part))
            cost = self.cost(part)
            highest = Cost(
                max(highest.here, cost.here), max(highest.fan, cost.fan), max(highest.patterns, cost.patterns)
            )
            waiting += self.in_place(part)
            waiting += children(part)
        return highest

    def cost(self, part: JSON) -> Cost:
        """What is evaluated where this part is."""
        if not isinstance(part, dict):
            return Cost(here=1)
        if id(part) in self.known:
            return self.known[id(part)]
        if id(part) in self.open or len(self.open) > MAX_CHAIN:
            raise Unknown
        self.open.add(id(part))
        cost = own(part)
        for inner in self.in_place(part):
            cost = cost.plus(self.cost(inner))
        self.open.remove(id(part))
        self.known[id(part)] = cost
        return cost

    def in_place(self, part: dict[str, JSON]) -> Iterator[JSON]:
        """The parts that look at the same place."""
        for name in IN_PLACE:
            if name in part:
                yield part[name]
        for name in IN_PLACE_LISTS:
            listed = part.get(name)
            yield from listed if isinstance(listed, list) else ()
        for name in IN_PLACE_MAPS:
            named = part.get(name)
            yield from named.values() if isinstance(named, dict) else ()
        if "$ref" in part:
            yield self.referred(part["$ref"])

    def referred(self, reference: JSON) -> JSON:
        """What a reference within the schema points to.

        Raises:
            Unknown: it points to nothing, or elsewhere.
        """
        if not isinstance(reference, str) or (reference != "#" and not reference.startswith("#/")):
            raise Unknown
        found = self.root
        for step in reference.split("/")[1:]:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isascii() and name.isdigit() and int(name[:9]) < len(found):
                found = found[int(name[:9])]
            else:
                raise Unknown
        return found


def own(part: dict[str, JSON]) -> Cost:
    """What a part evaluates itself.

    Raises:
        Unknown: nobody can tell.
    """
    if any(name in part for name in UNBOUNDED) or ("$id" in part and "$schema" not in part):
        raise Unknown
    size, patterns = 9 if part.get("uniqueItems") else 1, 0
    for name in ("enum", "const", "required", "dependentRequired", "type"):
        if name in part:
            size += nodes(part[name])
    matched = part.get("patternProperties")
    texts = list(matched) if isinstance(matched, dict) else []
    by_name = any(name in part for name in ("properties", "additionalProperties"))
    by_place = any(name in part for name in ("items", "prefixItems", "additionalItems"))
    fan = max(by_name + len(texts), by_place + ("contains" in part))
    if isinstance(part.get("pattern"), str):
        texts.append(str(part["pattern"]))
    for text in texts:
        patterns += weight(text)
    return Cost(size + len(texts), fan, min(MAX_COST, patterns))


def children(part: dict[str, JSON]) -> Iterator[JSON]:
    """The parts that look at what is inside, and those that are only defined here."""
    for name in CHILDREN:
        if name in part:
            yield part[name]
    for name in CHILD_LISTS:
        listed = part.get(name)
        yield from listed if isinstance(listed, list) else ()
    for name in (*CHILD_MAPS, *DEFINITIONS):
        named = part.get(name)
        yield from named.values() if isinstance(named, dict) else ()


def nodes(value: JSON) -> int:
    """How many values there are in one."""
    match value:
        case list():
            return 1 + sum(map(nodes, value))
        case dict():
            return 1 + sum(map(nodes, value.values()))
        case _:
            return 1


def weight(pattern: str) -> int:
    """The size of a pattern's automaton, roughly and not less: counted repetitions stand in it so often."""
    size = len(pattern) + 1
    for least, most in COUNTED.findall(pattern):
        size = min(MAX_COST, size * max(1, int(least or 0), int(most or 0)))
    return size
