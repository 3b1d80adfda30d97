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
    held = container(host, said(file, text))
    return {name: read_server(cast("dict[str, object]", body)) for name, body in held.items() if isinstance(body, dict)}


def is_plain(server: HostServer) -> bool:
    """Whether an entry starts this bridge as a server, and not as a gate before another one."""
    return is_bridge(server) and not COMMANDS.intersection(server.args)


def added(host: Host, file: Path, text: str | None, launch: Launch, *, name: str) -> str:
    """The text with the bridge among the servers, under this name, as it is to be started.

    Raises:
        BadInput: another server has that name; or the file cannot be read, or not be changed in place.
    """
    before = said(file, text)
    there = container(host, before).get(name)
    if there is not None and not is_bridge(read_server(as_object(there))):
        raise BadInput(f"Another server is called '{name}' there.", fix="Give this one another name: --name NAME")
    wanted = host.entry(launch)
    values = merged(as_object(there), wanted) if there is not None else wanted
    if there == values:
        return text or ""
    changed = {key: value for key, value in values.items() if there is None or as_object(there).get(key) != value}
    after = edited(host, file, text or "", name, changed, new=there is None)
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
            text = text if text.strip("\ufeff \t\r\n") else "{}\n"
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
    wanted = servers if values is None else {**servers, name: dict(values)}
    outside = [{key: value for key, value in each.items() if key != host.path[0]} for each in (before, now)]
    if outside[0] != outside[1] or container(host, now) != wanted:
        raise BadInput("It cannot be changed without changing what else it says.")
    return after


def said(file: Path, text: str | None) -> dict[str, Any]:
    """What a settings file says; nothing, where it is not there or empty.

    Raises:
        BadInput: it cannot be read.
    """
    if text is None or not text.strip("\ufeff \t\r\n"):
        return {}
    match file.suffix:
        case ".toml":
            return toml_text.read_toml(text)
        case ".yaml":
            found = read_yaml(text.removeprefix("\ufeff"))
            if found is not None and not isinstance(found, dict):
                raise BadInput("It is no object.")
            return cast("dict[str, Any]", found or {})
        case _:
            return json_text.read_json5(text)


def container(host: Host, whole: Mapping[str, Any]) -> dict[str, Any]:
    """The servers in what a file says, by their names.

    Raises:
        BadInput: something else stands in their place.
    """
    found: Any = whole
    for name in host.path:
        found = cast("dict[str, Any]", found).get(name) if isinstance(found, dict) else None
    if found is None:
        return {}
    if host.listed and isinstance(found, list):
        items = [as_object(each) for each in cast("list[Any]", found)]
        return {str(each.get("name")): {key: each[key] for key in each if key != "name"} for each in items}
    if not isinstance(found, dict):
        raise BadInput(f"'{'.'.join(host.path)}' is not what it should be in it.")
    return cast("dict[str, Any]", found)


def as_object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def merged(there: Mapping[str, Any], wanted: Mapping[str, JSON]) -> dict[str, JSON]:
    """An entry as it is wanted, with all that its owner added to it."""
    found: dict[str, JSON] = dict(there)
    for key, value in wanted.items():
        old = there.get(key)
        if key in KEPT and old is not None:
            continue
        if isinstance(value, dict) and isinstance(old, dict):
            found[key] = merged(cast("dict[str, Any]", old), value)
        elif isinstance(value, list) and isinstance(old, list):
            found[key] = merged_list(key, cast("list[JSON]", old), value)
        elif not (old is not None and isinstance(value, str) and value.startswith("$")):
            found[key] = value
    return found


def merged_list(key: str, there: list[JSON], wanted: Sequence[JSON]) -> list[JSON]:
    """Names are added; of a command, what is behind its own arguments is kept."""
    if key in UNIONS:
        return [*there, *(each for each in wanted if each not in there)]
    first = 1 if key == "command" else 0
    words = merged_args([str(each) for each in wanted[first:]], [str(each) for each in there[first:]])
    return [*wanted[:first], *words]
