"""Grants that would have saved prompts: of calls that people always approved, and never broader than what was seen.

A grant leaves arguments free that it does not name. So one is suggested only for a call that was made word for word
more than once, whose tool has no argument beside those that were given; and for no tool of which any call in the same
place was decided otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from msgspec import Struct

from bridge_mcp.core.errors import BadInput, BadJSON
from bridge_mcp.core.grants import Grant, grant_place, makes_grants
from bridge_mcp.core.json_reader import JSON, read_json
from bridge_mcp.core.tools import ToolSpec, canonical, parse_arguments

__all__ = ["Seen", "Suggestion", "pattern_of", "suggestions"]


class Seen(Struct, frozen=True):
    """A call that people were asked about."""

    conversation: str
    tool: str
    arguments: str
    """As it was asked for, as JSON text."""
    approved: bool
    """People approved it as it was; False: it was edited, rejected, expired or cancelled."""


class Suggestion(Struct, frozen=True):
    """A grant, and what it would have saved; or, with `why_not`, why there is none for calls that were approved."""

    tool: str
    place: str
    calls: int
    arguments: tuple[tuple[str, str], ...] = ()
    saves: int = 0
    """Prompts: all but the first."""
    why_not: str = ""


def suggestions(calls_seen: Iterable[Seen], tools: Mapping[str, ToolSpec]) -> tuple[Suggestion, ...]:
    """What would have saved the most first; what cannot be granted behind it."""
    groups: dict[tuple[str, str], list[Seen]] = defaultdict(list)
    for call in calls_seen:
        groups[call.tool, grant_place(call.conversation)].append(call)
    suggested: list[Suggestion] = []
    for (tool, place), calls in groups.items():
        if all(call.approved for call in calls) and makes_grants(tool):
            suggested += tool_suggestions(tool, place, calls, tools.get(tool))
    return tuple(sorted(suggested, key=lambda grant: (-grant.saves, -grant.calls, grant.tool, grant.place)))


def tool_suggestions(tool: str, place: str, calls: list[Seen], spec: ToolSpec | None) -> list[Suggestion]:
    """The suggestions for one tool in one place, of which all calls were approved."""
    alike: dict[str, int] = defaultdict(int)
    for call in calls:
        try:
            alike[canonical(parse_arguments(call.arguments))] += 1
        except BadInput:
            return []
    suggested: list[Suggestion] = []
    free = set[str]()
    for text, count in alike.items():
        arguments = parse_arguments(text)
        unnamed = names_of(spec) - set(arguments) if spec is not None else None
        if count < 2:
            continue
        if unnamed is None or unnamed:
            free |= unnamed or set()
            continue
        patterns = tuple((name, pattern_of(value)) for name, value in sorted(arguments.items()))
        if Grant(0, tool, arguments=patterns).covers(tool, arguments, place, 0.0):
            suggested.append(Suggestion(tool, place, count, arguments=patterns, saves=count - 1))
    if suggested or len(calls) < 2:
        return suggested
    return [Suggestion(tool, place, len(calls), why_not=why_not(spec, free))]


def names_of(spec: ToolSpec) -> set[str]:
    """The arguments that a tool's schema names; one that cannot be read names a nameless one, which nobody gives."""
    try:
        schema = read_json(spec.schema)
    except BadJSON:
        return {""}
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return set(properties) if isinstance(properties, dict) else {""}


def why_not(spec: ToolSpec | None, free: set[str]) -> str:
    """Why no grant is suggested though all calls were approved."""
    if spec is None:
        return "nobody knows which other arguments its tool takes"
    names = ", ".join(sorted(name for name in free if name))
    if names:
        return f"a grant would leave these arguments free: {names}"
    return "no call was made twice in the same words" if not free else "its schema names no arguments"


def pattern_of(value: JSON) -> str:
    """The pattern that this value alone matches."""
    return value.replace("*", "[*]") if isinstance(value, str) else canonical(value)
