"""Finds the MCP servers in the settings file of any host: its encoding, its format, and where in it they stand.

Reads JSON, JSON5 (VS Code, Zed and opencode take comments and trailing commas), TOML (Codex), and YAML (Goose,
Continue), in UTF-8, UTF-16 or UTF-32. Knows nothing of what a server's entry means.
"""

from __future__ import annotations

import codecs
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import cast

from bridge_mcp.core.errors import BadInput, BadJSON
from bridge_mcp.core.json_reader import MAX_DEPTH, check_json, read_json

__all__ = ["decoded", "servers_in"]

CONTAINERS = frozenset({"mcpServers", "mcp_servers", "context_servers", "modelContextProtocolServers"})
"""Keys that hold nothing but MCP servers, wherever they stand."""
POSSIBLE_CONTAINERS = frozenset({"servers", "mcp"})
"""Keys that may hold servers: at the top level, nested in each other, or if their values look like servers."""
SERVER_KEYS = frozenset({"command", "cmd", "url", "httpUrl", "serverUrl", "uri", "transport"})
"""Keys that show that an object is a server's entry."""
DEEPEST = 6
"""The maximum depth that is searched; ~/.claude.json has the servers of projects at the third level."""

BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decoded(data: bytes) -> str:
    """The text of a file: by its byte order mark, else as UTF-8, or UTF-16 where every other byte is zero.

    Raises:
        BadInput: it is text in none of these.
    """
    encoding = next((name for mark, name in BOMS if data.startswith(mark)), "")
    if not encoding:
        encoding = {b"\0": "utf-16-be", b"\0\0": "utf-16-le"}.get(data[:2].strip(b"{ \r\n\t[") and data[:1], "utf-8")
        encoding = "utf-16-le" if data[1:2] == b"\0" else encoding
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise BadInput("This file is not text in UTF-8 or UTF-16.", fix="Save it as UTF-8.") from None


def servers_in(text: str) -> list[tuple[str, object]]:
    """The servers in a host's settings, by the names they have there, in order; the same name may stand twice.

    Raises:
        BadInput: this is no such file.
    """
    whole = parsed(text.removeprefix("\ufeff"))
    servers: list[tuple[str, object]] = []
    is_container = False
    if isinstance(whole, dict):
        body = cast("dict[str, object]", whole)
        for container in containers(body):
            is_container = True
            servers += named(container)
        if not is_container and server_like(body):
            return [(str(body.get("name") or "server"), body)]
        if not is_container and all_servers(body):
            return list(body.items())
    if not is_container:
        raise BadInput(
            "There are no MCP servers in this file.",
            fix='Pass one that holds {"mcpServers": {…}}, {"servers": {…}}, {"context_servers": {…}}, {"mcp": {…}}, or '
            "extensions: in YAML.",
        )
    return servers


def parsed(text: str) -> object:
    """Parse a text: JSON, JSON5, TOML, or YAML if it does not begin with a brace."""
    for reader in (read_json, read_json5):
        try:
            return reader(text)
        except BadJSON as exc:
            complaint = str(exc)
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        if re.match(r"[A-Za-z_\"'#%-]", text.lstrip()):
            from bridge_mcp.config.host_yaml import read_yaml

            if isinstance(value := read_yaml(text), dict):
                return cast("object", value)
        raise BadInput(f"This is no JSON: {complaint}.", fix="Pass the settings file of an MCP host.") from None


def read_json5(text: str) -> object:
    """The value of JSON with comments, trailing commas and what else JSON5 allows; of a name given twice the last.

    Raises:
        BadJSON: it is none, or deeper than may be.
    """
    import pyjson5  # most files are plain JSON

    try:
        value = pyjson5.decode(text, MAX_DEPTH)
    except pyjson5.Json5Exception as exc:
        place = re.search(r"near (\d+)", str(exc))
        line = text.count("\n", 0, int(place[1])) + 1 if place else 1
        raise BadJSON(f"line {line} cannot be read") from None
    return check_json(value)


def containers(body: Mapping[str, object], level: int = 0) -> Iterator[object]:
    """Return every object or list in the file that holds servers."""
    for key, value in body.items():
        if key.rpartition(".")[2] in CONTAINERS and isinstance(value, dict | list):
            if value or isinstance(value, dict):
                yield cast("object", value)
        elif isinstance(value, dict) and level < DEEPEST:
            inner = cast("dict[str, object]", value)
            last = key.rpartition(".")[2]
            may_hold = last in POSSIBLE_CONTAINERS and (all_servers(inner) or (last == "servers" and not level))
            if may_hold or (last == "extensions" and not level and some_servers(inner)):
                yield inner
            else:
                yield from containers(inner, level + (last != "mcp"))


def all_servers(body: Mapping[str, object]) -> bool:
    """Whether all values of an object look like servers."""
    return bool(body) and all(
        isinstance(entry, dict) and server_like(cast("dict[str, object]", entry)) for entry in body.values()
    )


def some_servers(body: Mapping[str, object]) -> bool:
    """Whether a value of an object looks like a server; Goose keeps its own parts beside them."""
    return any(isinstance(entry, dict) and server_like(cast("dict[str, object]", entry)) for entry in body.values())


def server_like(body: Mapping[str, object]) -> bool:
    return any(isinstance(body.get(mark), str | list | dict) for mark in SERVER_KEYS)


def named(container: object) -> Iterator[tuple[str, object]]:
    """Return servers with their names, from an object, or from a list whose items have a name."""
    if isinstance(container, dict):
        yield from cast("dict[str, object]", container).items()
        return
    for item in cast("list[object]", container):
        name = cast("dict[str, object]", item).get("name") if isinstance(item, dict) else None
        yield str(name or "server"), item
