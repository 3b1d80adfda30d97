"""Reads a server's list of tools: each is checked by itself, so that a bad one spoils no other, and bounded.

Imports the protocol's types, so it is loaded together with the client library. Knows no connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from mcp_types import Tool, ToolAnnotations
from pydantic import ValidationError

from bridge_mcp.core.json_reader import JSON, MAX_DEPTH
from bridge_mcp.toolservers.connection import ListedTool
from bridge_mcp.toolservers.results import json_text, too_deep

__all__ = ["MAX_TOOLS", "Listing", "one_line"]

MAX_TOOLS = 2_000
"""Tools of one server: no model reads that many, and a list may be endless."""
MAX_PAGES = 500
MAX_NAME = 256
MAX_DESCRIPTION = 10_000
MAX_SCHEMA = 100_000
"""Characters of one tool's schema."""
MAX_NAMED = 3
"""How many of the tools that were left out are named."""


class Listing:
    """Collects tools, page by page."""

    def __init__(self) -> None:
        self.tools: list[ListedTool] = []
        self.pages = 0
        self._wrong: list[str] = []
        self._taken: set[str] = set()

    @property
    def full(self) -> bool:
        """Whether there are `MAX_TOOLS`: further pages are not needed."""
        return len(self.tools) >= MAX_TOOLS or self.pages >= MAX_PAGES

    def page(self, tools: Sequence[object]) -> None:
        """Add one page of tools, as JSON values or the protocol's types. Of two with the same name the first counts."""
        self.pages += 1
        for raw in tools:
            if len(self.tools) >= MAX_TOOLS:
                return
            try:
                tool = raw if isinstance(raw, Tool) else Tool.model_validate(raw, by_name=False)
            except ValidationError as exc:
                self._leave_out(name_of(raw), first_error(exc))
                continue
            listed_tool = listed(tool, raw)
            if len(tool.name) > MAX_NAME or not tool.name:
                self._leave_out(tool.name, "its name is empty or too long")
            elif len(listed_tool.schema) > MAX_SCHEMA:
                self._leave_out(tool.name, f"its schema has {len(listed_tool.schema):,} characters")
            elif too_deep(listed_tool.schema):
                self._leave_out(tool.name, f"its schema is nested more than {MAX_DEPTH} levels deep")
            elif tool.name in self._taken:
                self._leave_out(tool.name, "it is there twice")
            else:
                self._taken.add(tool.name)
                self.tools.append(listed_tool)

    def _leave_out(self, name: str, reason: str) -> None:
        self._wrong.append(f"'{one_line(name, 60)}' ({reason})")

    @property
    def complaint(self) -> str:
        """Which tools were left out, and why; "" for none."""
        sentences: list[str] = []
        if self._wrong:
            more = f", and {len(self._wrong) - MAX_NAMED:,} more" if len(self._wrong) > MAX_NAMED else ""
            sentences.append(f"It lists tools that cannot be used: {', '.join(self._wrong[:MAX_NAMED])}{more}.")
        if self.full:
            sentences.append(f"It lists more than {MAX_TOOLS:,} tools, or has no last page; the rest is left out.")
        return " ".join(sentences)


def listed(tool: Tool, raw: object) -> ListedTool:
    """A tool as a value, with MCP's defaults for missing hints; a read-only tool is not destructive."""
    hints = tool.annotations or ToolAnnotations()
    read_only = bool(hints.read_only_hint)
    description = tool.description or tool.title or hints.title or ""
    return ListedTool(
        name=tool.name,
        description=description if len(description) <= MAX_DESCRIPTION else f"{description[:MAX_DESCRIPTION]}…",
        schema=json_text(cast("JSON", tool.input_schema)),
        read_only=read_only,
        destructive=not read_only and hints.destructive_hint is not False,
        idempotent=bool(hints.idempotent_hint),
        open_world=hints.open_world_hint is not False,
        listed=verbatim(raw),
    )


def verbatim(raw: object) -> str:
    """A tool as it was listed, as canonical JSON; "" for one that is too long or too deep to be passed on."""
    value = raw.model_dump(mode="json", by_alias=True, exclude_none=True) if isinstance(raw, Tool) else raw
    text = json_text(cast("JSON", value))
    return "" if len(text) > MAX_SCHEMA or too_deep(text) else text


def name_of(raw: object) -> str:
    name = cast("Mapping[str, object]", raw).get("name") if isinstance(raw, dict) else None
    return str(name) if name is not None else "without a name"


def first_error(exc: ValidationError) -> str:
    """The first error of a validation."""
    first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
    return one_line(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}", 120)


def one_line(text: str, most: int) -> str:
    """A text of the server's on one line, cut to `most` characters."""
    line = "".join(char if char.isprintable() else "?" for char in text)
    return line if len(line) <= most else f"{line[:most]}…"
