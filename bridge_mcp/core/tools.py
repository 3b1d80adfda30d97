"""Tools of nested servers as values: their definitions, the results of calls, and the digest of a call.

Knows nothing of how a server is reached.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import BadInput, BadJSON
from bridge_mcp.core.json_reader import JSON, MAX_DEPTH, check_depth, check_json, read_json
from bridge_mcp.core.schemas import canonical_schema

__all__ = [
    "BRIDGE",
    "FIND_TOOLS",
    "GET_PROMPT",
    "JSON",
    "MAX_ARGUMENTS",
    "READ_RESOURCE",
    "READ_RESULT",
    "WHOLE_JSON",
    "WHOLE_TEXT",
    "Confirmation",
    "ToolResult",
    "ToolSpec",
    "arguments_text",
    "call_digest",
    "canonical",
    "definition_digest",
    "parse_arguments",
    "tool_name",
    "tool_names",
]

Confirmation: TypeAlias = Literal["required", "person", "never", "by-annotation", "default"]

BRIDGE = "bridge"
"""The server name of the bridge's own tools; no nested server may have it."""

FIND_TOOLS = "bridge__find_tools"
"""The tool by which a model finds those that its request had no room for."""

READ_RESULT = "bridge__read_result"
"""The tool by which a model reads on in a result that was too long to be shown whole."""

READ_RESOURCE, GET_PROMPT = "read_resource", "get_prompt"
"""A nested server's tools that the bridge makes for its resources and prompts, by their names there."""

WHOLE_TEXT, WHOLE_JSON = "result.txt", "result.json"
"""Names of files with a whole result that was too long for a log."""

MAX_NAME = 64
"""The longest tool name that OpenAI, Anthropic and Gemini all accept."""

MAX_ARGUMENTS = 1_000_000
"""Characters of a call's arguments as JSON."""

# Made once: `json.dumps` with options builds an encoder for every call.
write_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


class ToolSpec(Struct, frozen=True):
    """One tool as the model sees it, with its server's definition and the owner's setting for approval."""

    name: str
    """`server__tool`, unique in the bridge, legal for every provider."""
    server: str
    tool: str
    """The server's own name for it."""
    description: str
    schema: str
    """The JSON schema of its arguments, as canonical JSON text."""
    read_only: bool = False
    destructive: bool = True
    idempotent: bool = False
    open_world: bool = True
    confirmation: Confirmation = "default"
    """From the owner's config; `default` means what `[approvals] confirmation` says."""
    changed: str = ""
    """How it differs from what was first seen of it, or last approved; while it says something, every call asks."""
    listed: str = ""
    """The tool as its server lists it, as canonical JSON; empty where that is not known."""
    gives: str = ""
    """Of a tool that the bridge made: its server's resources and templates, or prompts, as listed there, as canonical
    JSON; empty for a tool of the server's own."""

    @property
    def repeatable(self) -> bool:
        """Whether it may be run a second time (MCP: `readOnlyHint` or `idempotentHint`)."""
        return self.read_only or self.idempotent


class ToolResult(Struct, frozen=True):
    """The result of a call. `text` is for the model; `structured` is JSON text, if the tool returned any."""

    text: str
    is_error: bool = False
    structured: str = ""
    attachments: tuple[Attachment, ...] = ()
    later: bool = False
    """There is no result yet: it is the answer to a question that the call has posted, and comes by the log."""
    truncated: bool = False
    """A part was too long to be stored here; if there was room, all of it is among the attachments."""
    raw: str = ""
    """The result as the server gave it, as JSON text; empty where it is too long to be kept."""


def canonical(value: JSON) -> str:
    """One text per JSON value: keys sorted, no spaces, characters unescaped (the spirit of RFC 8785)."""
    return write_canonical(value)


def arguments_text(arguments: Mapping[str, JSON]) -> str:
    """The canonical text of arguments that were given as a value, if `parse_arguments` takes it.

    Raises:
        BadInput: they are too deep or too long, or hold what JSON does not have.
    """
    try:
        text = canonical(dict(arguments))
        if not text.isascii():
            text.encode()
        check_depth(text, MAX_DEPTH)
    except (TypeError, ValueError, RecursionError, BadJSON):
        try:
            check_json(dict(arguments))
        except BadJSON as exc:
            raise BadInput(f"The arguments are not taken: {exc}") from None
        raise BadInput(
            "The arguments are not taken: their names are not all texts.", fix="Give one JSON object."
        ) from None
    if len(text) > MAX_ARGUMENTS:
        raise BadInput(
            f"The arguments have {len(text):,} characters as JSON; at most {MAX_ARGUMENTS:,} are taken.",
            fix="Call it several times with less, or put what is long where the tool can read it.",
        )
    return text


def parse_arguments(text: str) -> dict[str, JSON]:
    """The arguments of a call; an empty text is no arguments.

    Raises:
        BadInput: the text is not JSON that `read_json` takes, or not an object, or a name stands twice in it.
    """
    try:
        value = read_json(text, max_size=MAX_ARGUMENTS, unique_names=True) if text.strip() else {}
    except BadJSON as exc:
        raise BadInput(
            f"The arguments are not valid JSON: {exc}", fix="" if exc.fix else "Send one JSON object."
        ) from None
    if not isinstance(value, dict):
        raise BadInput("The arguments are not a JSON object.", fix='Send an object like {"name": "value"}.')
    return value


def call_digest(spec: ToolSpec, arguments: Mapping[str, JSON]) -> str:
    """What an approval is bound to: server, tool, what the tool says it does and takes, and canonical arguments.

    `sha256:` and 64 hex digits. Any change of any of them gives another digest.
    """
    parts = canonical([spec.server, spec.tool, canonical_schema(spec.schema), spec.description, dict(arguments)])
    return "sha256:" + hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()


def definition_digest(spec: ToolSpec) -> str:
    """What accepting a changed tool is bound to: all that its server says of it. `sha256:` and 64 hex digits."""
    hints = [spec.read_only, spec.destructive, spec.idempotent, spec.open_world]
    parts = canonical([spec.server, spec.tool, canonical_schema(spec.schema), spec.description, *hints])
    return "sha256:" + hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()


def tool_name(server: str, tool: str) -> str:
    """`server__tool` in legal characters and at most 64 of them; what had to change gets a stable tail."""
    plain = f"{server}__{tool}"
    legal = re.sub(r"[^A-Za-z0-9_-]", "_", plain)
    if legal == plain and len(plain) <= MAX_NAME:
        return plain
    return with_tail(legal, plain)


def with_tail(legal: str, plain: str) -> str:
    """`legal`, shortened, with eight hex digits of the hash of `plain` behind it."""
    tail = hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{legal[: MAX_NAME - 9]}_{tail}"


def tool_names(tools: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """A name for each (server, tool); where two would be called the same, all of them get their stable tail."""
    names = {pair: tool_name(*pair) for pair in tools}
    counts: dict[str, int] = {}
    for name in names.values():
        counts[name] = counts.get(name, 0) + 1
    return {pair: name if counts[name] == 1 else with_tail(name, "\0".join(pair)) for pair, name in names.items()}
