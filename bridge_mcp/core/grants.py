"""Grants (standing verdicts), and the patterns that limit them to calls with certain arguments.

A pattern is a text in which `*` stands for any run of characters, `[*]` for a star, and everything else for itself.
What it matches:

- a string argument as it is; the whole of it, never a part;
- a number, a truth value or null by its canonical JSON text (`5`, `true`), whole and without wildcards;
- a list or an object by its canonical JSON text, whole and without wildcards: nested things are never half looked at;
- `*` alone matches whatever is there; an argument that is missing matches nothing;
- a text (also a nested one) with a `..` segment, plain or percent-encoded, is matched only by a pattern with one;
- a text with control or invisible characters is matched only by a pattern with the same ones.

`*` crosses `/`, for a grant names a folder with all that is in it. What a tool makes of a text is the tool's affair: a
pattern over a shell command (`git *`) lets through whatever a shell reads into the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from msgspec import Struct

from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import CALLS
from bridge_mcp.core.redate import AHEAD_S
from bridge_mcp.core.safe_text import hidden
from bridge_mcp.core.tools import JSON, canonical

__all__ = [
    "HOOKS",
    "MAX_ALIKE",
    "SHORTENED",
    "Grant",
    "climbs",
    "decoded_layers",
    "makes_grants",
    "matches",
    "texts_in",
]

HOOKS = "hook:"
"""How the names of tools begin whose callers keep standing permissions themselves: hooks of agents."""

SHORTENED = "channel:"
"""How the names of tools begin of whose calls the bridge sees only a part: what it cannot see, nothing can free."""


MAX_ALIKE = 200
"""Grants of one tool in one place that differ in their patterns or authors; the oldest is dropped for a new one."""

DECODINGS = 8
"""Layers of percent-encoding that are decoded; no honest path has more."""


class Grant(Struct, frozen=True):
    """A standing verdict for calls of one tool."""

    id: int
    tool: str
    """The name as the model knows it, whole."""
    conversation: str = ""
    """Where it holds: a conversation, a channel (a name without a slash), the calls of one client (`calls/NAME`), or
    everywhere (empty)."""
    arguments: tuple[tuple[str, str], ...] = ()
    """Patterns over top-level arguments: every named one must be there and match. Arguments not named are free."""
    expires_at: float = 0.0
    """Epoch seconds; 0 is never."""
    by: str = ""
    created_at: float = 0.0

    def covers(self, tool: str, arguments: Mapping[str, JSON], conversation: str, now: float) -> bool:
        """Whether it allows this call, here and now. A grant with an end that is dated ahead counts as ended."""
        if tool != self.tool or (self.expires_at and not self.created_at - AHEAD_S <= now < self.expires_at):
            return False
        return self.holds_in(conversation) and all(
            name in arguments and matches(arguments[name], pattern) for name, pattern in self.arguments
        )

    def holds_in(self, conversation: str) -> bool:
        """Whether this is one of the conversations it was given for."""
        if self.conversation in ("", conversation):
            return True
        return self.conversation in (Address.of(conversation).channel, grant_place(conversation))


def grant_place(conversation: str) -> str:
    """Where a grant from this conversation holds: there, or for all calls of the client whose call it was."""
    channel, chat, _ = Address.of(conversation)
    return f"{CALLS}/{chat.rpartition('.')[0]}" if channel == CALLS else conversation


def matches(value: JSON, pattern: str) -> bool:
    """Whether an argument matches a pattern; see the module."""
    for text in texts_in(value):
        if (climbs(text) and not climbs(pattern)) or not hidden_in(text) <= hidden_in(pattern):
            return False
    if isinstance(value, str):
        return fits(value, literals(pattern))
    return pattern == "*" or canonical(value) == pattern


def texts_in(value: JSON) -> Iterator[str]:
    """Every text in a value, names included."""
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from texts_in(item)
        case dict():
            for name, each in value.items():
                yield name
                yield from texts_in(each)
        case _:
            return


def makes_grants(tool: str) -> bool:
    """Whether a remembered verdict on a call of this tool is a grant; agents keep those of their hooks themselves."""
    return not tool.startswith((HOOKS, SHORTENED))


CONTROLS = re.compile(r"[\0-\x1f\x7f]")


def climbs(text: str) -> bool:
    """Whether a path in this text may leave its folder by `..`, in any layer of percent-encoding.

    Parsers of URLs leave out control characters, and end a part of a path at `?`, `#` and `;` (url.spec.whatwg.org).
    """
    layers = tuple(decoded_layers(text))
    readings = (*layers, *(CONTROLS.sub("", layer) for layer in layers))
    return len(layers) > DECODINGS or any(".." in re.split(r"[/\\?#;]", reading) for reading in readings)


def decoded_layers(text: str) -> Iterator[str]:
    """A text, and what each layer of percent-encoding in it stands for; one more than `DECODINGS` at most."""
    yield text
    for _ in range(DECODINGS):
        before, text = text, unquote(text, errors="replace")
        if text == before:
            return
        yield text


def hidden_in(text: str) -> frozenset[str]:
    """The invisible characters of a text, line ends included."""
    return hidden(text) | (frozenset("\n\t") & frozenset(text))


def fits(text: str, parts: tuple[str, ...]) -> bool:
    """Whether a text is these parts in order, with anything between them. Linear: each part is searched once.

    The first match of a part is as good as any later one, since it leaves the most for the parts after it.
    """
    first, *between = parts
    if not between:
        return text == first
    last = between.pop()
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in between:
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def literals(pattern: str) -> tuple[str, ...]:
    """The literal parts between the stars of a pattern; one part if there is no star."""
    parts = [""]
    for piece in re.split(r"(\[\*\]|\*)", pattern):
        if piece == "*":
            parts.append("")
        else:
            parts[-1] += "*" if piece == "[*]" else piece
    return tuple(parts)
