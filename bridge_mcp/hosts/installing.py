"""The bridge among the servers of a host: put in, brought up to date, taken out; all else in the file stays as it is.

A change is made in the text, and what the text then says is held to what was meant: a file that cannot be changed so is
left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from bridge_mcp.config.host_shapes import HostServer, is_bridge, read_server
from bridge_mcp.config.host_yaml import read_yaml
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.json_reader import JSON
from bridge_mcp.hosts import json_text, toml_text, yaml_text
from bridge_mcp.hosts.launch import Launch, merged_args
from bridge_mcp.hosts.table import Host

__all__ = ["added", "entries", "is_plain", "removed"]

UNIONS = frozenset({"env_vars", "env_keys"})
"""Lists of names that grow."""
KEPT = frozenset({"name", "timeout", "tools"})
"""What the owner of an entry may have set otherwise."""
COMMANDS = frozenset({"gate", "hook"})
"""What the command does for others, in the place of serving."""


def entries(host: Host, file: Path, text: str | None) -> dict[str, HostServer]:
    """The servers of a host by their names, as far as they are entries.

    Raises:
        BadInput: the file cannot be read.
    """
    members = container(host, said(file, text))
    return {
        name: read_server(cast("dict[str, object]", body)) for name, body in members.items() if isinstance(body, dict)
    }


def is_plain(server: HostServer) -> bool:
    """Whether an entry starts this bridge as a server, and not as a gate before another one."""
    return is_bridge(server) and not COMMANDS.intersection(server.args)


def added(host: Host, file: Path, text: str | None, launch: Launch, *, name: str) -> str:
    """The text with the bridge among the servers, under this name, as it is to be started.

    Raises:
        BadInput: another server has that name; or the file cannot be read, or not be changed in place.
    """
    before = said(file, text)
    existing = container(host, before).get(name)
    if existing is not None and not is_bridge(read_server(as_object(existing))):
        raise BadInput(f"Another server is called '{name}' there.", fix="Give this one another name: --name NAME")
    wanted = host.entry(launch)
    values = merged(as_object(existing), wanted) if existing is not None else wanted
    if existing == values:
        return text or ""
    changed = {key: value for key, value in values.items() if existing is None or as_object(existing).get(key) != value}
    after = edited(host, file, text or "", name, changed, new=existing is None)
    return held_to(host, file, before, after, name, values)


def removed(host: Host, file: Path, text: str | None, *, name: str) -> str:
    """The text without the server of this name.

    Raises:
        BadInput: the file cannot be read, or not be changed in place.
    """
    before = said(file, text)
    if text is None or name not in container(host, before):
        return text or ""
    match file.suffix:
        case ".toml":
            after = toml_text.without_table(text, [*host.path, name])
        case ".yaml":
            after = yaml_text.without_entry(text, host.path[0], name)
        case _:
            after = json_text.without_member(text, [*host.path, name])
    return held_to(host, file, before, after, name, None)


def edited(host: Host, file: Path, text: str, name: str, values: Mapping[str, JSON], *, new: bool) -> str:
    """The text with these values in the server's entry."""
    path = [*host.path, name]
    match file.suffix:
        case ".toml":
            return (toml_text.with_table if new else toml_text.with_values)(text, path, values)
        case ".yaml" if new:
            return yaml_text.with_entry(text, path[0], name, values, listed=host.listed)
        case ".yaml":
            return yaml_text.with_values(text, path[0], name, values)
        case _:
            text = json_text.begun(text)
            if new:
                return json_text.with_member(text, path, dict(values))
            for key, value in values.items():
                text = json_text.with_member(text, [*path, key], value)
            return text


def held_to(
    host: Host, file: Path, before: Mapping[str, Any], after: str, name: str, values: Mapping[str, JSON] | None
) -> str:
    """The text, if it says what is meant: what it said `before`, with these values as the server (None: without it).

    Raises:
        BadInput: it would say something else.
    """
    now = said(file, after)
    servers = {key: value for key, value in container(host, before).items() if key != name}
    expected = servers if values is None else {**servers, name: dict(values)}
    outside = [{key: value for key, value in settings.items() if key != host.path[0]} for settings in (before, now)]
    if outside[0] != outside[1] or container(host, now) != expected:
        raise BadInput("It cannot be changed without changing what else it says.")
    return after


def said(file: Path, text: str | None) -> dict[str, Any]:
    """What a settings file says; nothing, where it is not there or empty.

    Raises:
        BadInput: it cannot be read.
    """
    if text is None or not text.strip("\ufeff \t\r\n"):
        return {}
    if file.suffix not in (".toml", ".yaml") and json_text.says_nothing(text):
        return {}
    match file.suffix:
        case ".toml":
            return toml_text.read_toml(text)
        case ".yaml":
            try:
                parsed = read_yaml(text.removeprefix("\ufeff"))
            except BadInput as exc:  # its fix is about a file that is imported
                raise BadInput(str(exc).removesuffix(exc.fix).rstrip()) from None
            if parsed is not None and not isinstance(parsed, dict):
                raise BadInput("It is no object.")
            return cast("dict[str, Any]", parsed or {})
        case _:
            return json_text.read_json5(text)


def container(host: Host, whole: Mapping[str, Any]) -> dict[str, Any]:
    """The servers in what a file says, by their names.

    Raises:
        BadInput: something else stands in their place.
    """
    node: Any = whole
    for name in host.path:
        node = cast("dict[str, Any]", node).get(name) if isinstance(node, dict) else None
    if node is None:
        return {}
    if host.listed and isinstance(node, list):
        items = [as_object(item) for item in cast("list[Any]", node)]
        return {str(item.get("name")): {key: item[key] for key in item if key != "name"} for item in items}
    if not isinstance(node, dict):
        raise BadInput(f"'{'.'.join(host.path)}' is not what it should be in it.")
    return cast("dict[str, Any]", node)


def as_object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def merged(existing: Mapping[str, Any], new: Mapping[str, JSON]) -> dict[str, JSON]:
    """An entry as it is wanted, with all that its owner added to it."""
    result: dict[str, JSON] = dict(existing)
    for key, value in new.items():
        old = existing.get(key)
        if key in KEPT and old is not None:
            continue
        if isinstance(value, dict) and isinstance(old, dict):
            result[key] = merged(cast("dict[str, Any]", old), value)
        elif isinstance(value, list) and isinstance(old, list):
            result[key] = merged_list(key, cast("list[JSON]", old), value)
        elif not (old is not None and isinstance(value, str) and value.startswith("$")):
            result[key] = value
    return result


def merged_list(key: str, existing: list[JSON], new: Sequence[JSON]) -> list[JSON]:
    """Names are added; of a command, what is behind its own arguments is kept."""
    if key in UNIONS:
        return [*existing, *(item for item in new if item not in existing)]
    first = 1 if key == "command" else 0
    words = merged_args([str(item) for item in new[first:]], [str(item) for item in existing[first:]])
    return [*new[:first], *words]
