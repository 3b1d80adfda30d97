"""Bounds the cost of checking a value by a JSON schema, from the schema alone.

A schema is an untrusted program: `allOf` over references doubles with each of them, a reference to itself at the same
location has no end, and two branches that look at the same child double with each level of the value. This counts, for
any one location of a value, the subschemas that are evaluated there (`here`), how many of them look at the same child
(`fan`), and the work of their patterns. Knows no validator.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from msgspec import Struct

from bridge_mcp.core.json_reader import JSON

__all__ = ["Cost", "cost_of"]

MAX_COST = 1 << 40
"""Counts saturate here: anything beyond is too much."""
MAX_CHAIN = 100
"""The longest chain of references and branches at one location."""

IN_PLACE = ("not", "if", "then", "else", "propertyNames")
IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
IN_PLACE_MAPS = ("dependentSchemas", "dependencies")
CHILDREN = ("additionalProperties", "items", "additionalItems", "contains")
CHILD_LISTS = ("prefixItems", "items")
CHILD_MAPS = ("properties", "patternProperties")
DEFINITIONS = ("$defs", "definitions")
UNBOUNDED = ("unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef")
"""Keywords whose cost cannot be bounded: they depend on the results of other subschemas, or on the referring schema."""
COUNTED = re.compile(r"\{(\d{1,9})?,?(\d{1,9})?\}")


class CostUnknown(Exception):
    """The cost cannot be bounded."""


class Cost(Struct, frozen=True):
    """An upper bound of what is evaluated at one location of a value."""

    here: int = 0
    fan: int = 0
    patterns: int = 0
    """Characters of patterns; a counted repetition counts as often as it may repeat."""

    def plus(self, other: Cost) -> Cost:
        """The sum, for subschemas at the same location."""
        return Cost(
            min(MAX_COST, self.here + other.here),
            min(MAX_COST, self.fan + other.fan),
            min(MAX_COST, self.patterns + other.patterns),
        )

    def steps(self, text: str) -> tuple[int, int]:
        """Bounds for a value with this JSON text: evaluations of subschemas, and steps of patterns."""
        pieces = text.count(",") + text.count(":") + 1
        levels = min(text.count("[") + text.count("{"), 128) if self.fan > 1 else 0
        times = min(MAX_COST, self.fan**levels)
        return self.here * times * pieces, self.patterns * times * len(text)


def cost_of(schema: JSON) -> Cost | None:
    """The highest cost at any location; None if it cannot be bounded, or is infinite."""
    try:
        return SchemaCosts(schema).all()
    except CostUnknown:
        return None


@dataclass(slots=True)
class SchemaCosts:
    """One schema, and the costs of its subschemas by their identity."""

    root: JSON
    known: dict[int, Cost] = field(default_factory=dict[int, Cost])
    open: set[int] = field(default_factory=set[int])

    def all(self) -> Cost:
        """The maximum over all subschemas that a value can reach.

        Raises:
            CostUnknown: see `cost_of`.
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
        """The cost at this subschema's location."""
        if not isinstance(part, dict):
            return Cost(here=1)
        if id(part) in self.known:
            return self.known[id(part)]
        if id(part) in self.open or len(self.open) > MAX_CHAIN:
            raise CostUnknown
        self.open.add(id(part))
        cost = own(part)
        for inner in self.in_place(part):
            cost = cost.plus(self.cost(inner))
        self.open.remove(id(part))
        self.known[id(part)] = cost
        return cost

    def in_place(self, part: dict[str, JSON]) -> Iterator[JSON]:
        """The subschemas that apply to the same location."""
        yield from subschemas(part, IN_PLACE, IN_PLACE_LISTS, IN_PLACE_MAPS)
        if "$ref" in part:
            yield self.referred(part["$ref"])

    def referred(self, reference: JSON) -> JSON:
        """The target of a reference.

        Raises:
            CostUnknown: it points to nothing, or outside of the schema.
        """
        if not isinstance(reference, str) or (reference != "#" and not reference.startswith("#/")):
            raise CostUnknown
        target = self.root
        for step in reference.split("/")[1:]:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(target, dict) and name in target:
                target = target[name]
            elif isinstance(target, list) and name.isascii() and name.isdigit() and int(name[:9]) < len(target):
                target = target[int(name[:9])]
            else:
                raise CostUnknown
        return target


def own(part: dict[str, JSON]) -> Cost:
    """The cost of a subschema's own keywords.

    Raises:
        CostUnknown: one of them cannot be bounded.
    """
    if any(name in part for name in UNBOUNDED) or ("$id" in part and "$schema" not in part):
        raise CostUnknown
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
    """The subschemas for children of the value, and those that are only defined here (`$defs`)."""
    return subschemas(part, CHILDREN, CHILD_LISTS, (*CHILD_MAPS, *DEFINITIONS))


def subschemas(
    part: dict[str, JSON], single: Iterable[str], lists: Iterable[str], maps: Iterable[str]
) -> Iterator[JSON]:
    """The subschemas at these keywords: of one each, of a list of them, of one by each name."""
    for name in single:
        if name in part:
            yield part[name]
    for name in lists:
        listed = part.get(name)
        yield from listed if isinstance(listed, list) else ()
    for name in maps:
        named = part.get(name)
        yield from named.values() if isinstance(named, dict) else ()


def nodes(value: JSON) -> int:
    """How many values a JSON value contains, itself included."""
    match value:
        case list():
            return 1 + sum(map(nodes, value))
        case dict():
            return 1 + sum(map(nodes, value.values()))
        case _:
            return 1


def weight(pattern: str) -> int:
    """A rough upper bound of the size of a pattern's automaton, which repeats counted repetitions."""
    size = len(pattern) + 1
    for least, most in COUNTED.findall(pattern):
        size = min(MAX_COST, size * max(1, int(least or 0), int(most or 0)))
    return size
