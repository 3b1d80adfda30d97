"""Removes a nested server's secrets from its results and progress messages."""

from __future__ import annotations

from msgspec.structs import replace

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import read_json
from bridge_mcp.core.tools import ToolResult
from bridge_mcp.ports import ToolProgress
from bridge_mcp.toolservers.settings import ToolServer

__all__ = ["scrubbed", "scrubbing"]


def scrubbed(server: ToolServer, result: ToolResult) -> ToolResult:
    """A result without the secrets that the server was given; an error without any value that it was given."""
    scrub = server.scrub if result.is_error else server.scrub_result
    text = scrub(result.text)
    structured = scrub(result.structured) if result.structured else ""
    raw = scrub(result.raw) if result.raw else ""
    if (text, structured, raw) == (result.text, result.structured, result.raw):
        return result
    if raw != result.raw and not is_json(raw):
        raw = ""
    if structured != result.structured and not is_json(structured):
        structured = ""  # the secret was in it as a number
    return replace(result, text=text, structured=structured, raw=raw)


def scrubbing(server: ToolServer, progress: ToolProgress | None) -> ToolProgress | None:
    """A progress listener that gets messages without secrets."""
    if progress is None:
        return None
    return lambda done, total, words: progress(done, total, server.scrub_result(words))


def is_json(text: str) -> bool:
    """Whether a text is JSON."""
    try:
        read_json(text)
    except BadJSON:
        return False
    return True
