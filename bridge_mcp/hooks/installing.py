"""A host's settings with our hooks, or without them, and with all else as it was: `--install` and `--uninstall`."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any, cast

from bridge_mcp.core.errors import BadInput
from bridge_mcp.hooks.host_settings import Wanted
from bridge_mcp.hosts.json_text import appended, read_json5, removed, says_nothing
from bridge_mcp.hosts.toml_text import blocks_of, read_toml

__all__ = ["changed", "is_ours"]

INNER = re.compile(r"[ \t]*\[\[hooks\.\w+\.hooks\]\]")
"""The header of a hook below its matcher's."""


def is_ours(host: str, value: object) -> bool:
    """Whether a part of a host's settings calls `bridge-mcp hook HOST`, wherever that is, and nothing else."""
    commands = list(commands_in(value))
    ours = re.compile(rf"bridge-mcp(?:\.exe)?['\"]?\s+hook\s+{re.escape(host)}(?![\w-])")
    return bool(commands) and all(ours.search(command) for command in commands)


def commands_in(value: object) -> list[str]:
    """The commands that a part of a host's settings runs."""
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        commands = [
            str(members[name]) for name in ("command", "bash", "powershell") if isinstance(members.get(name), str)
        ]
        return commands + [command for inner in members.values() for command in commands_in(inner)]
    if isinstance(value, list):
        return [command for inner in cast("list[object]", value) for command in commands_in(inner)]
    return []


def changed(host: str, wanted: Wanted, text: str | None, *, install: bool) -> str:
    """The text of the host's settings with our hooks as they are wanted now, or without any; `text` None for no file.

    Raises:
        BadInput: the file cannot be read, or would mean something else afterwards.
    """
    if text is None and not install:
        return ""
    if wanted.file.suffix == ".toml":
        return changed_toml(host, wanted, text or "", install=install)
    return changed_json(host, wanted, text, install=install)


def changed_json(host: str, wanted: Wanted, text: str | None, *, install: bool) -> str:
    if text is None or says_nothing(text):
        if not install:
            return text or ""
        comments = (text or "").removeprefix("\ufeff").strip()
        text = f"{comments}\n{json.dumps(dict(wanted.head), indent=2)}\n".lstrip()
    before = read_json5(text)
    expected = settings_of(before, host, wanted, install=install)
    if not install and wanted.head and expected == wanted.head:
        return ""  # it was there for our hooks alone
    if expected == before:
        return text
    for event, group in reversed(ours_in(before, host)):
        text = removed(text, ("hooks", event), group)
    if install:
        for event, entries in wanted.entries.items():
            for entry in entries:
                text = appended(text, ("hooks", event), entry)
        for name, value in wanted.head.items():
            if name not in before:
                raise BadInput(f"'{name}' is missing in it.", fix=f"Add {json.dumps({name: value})}.")
    if read_json5(text) != expected:
        raise BadInput("It cannot be changed without changing what else it says.")
    return text


def ours_in(settings: Mapping[str, Any], host: str) -> list[tuple[str, int]]:
    """Where our hooks stand: by event, and the place in its list."""
    hooks = settings.get("hooks")
    owned: list[tuple[str, int]] = []
    for event, entries in (cast("dict[str, Any]", hooks) if isinstance(hooks, dict) else {}).items():
        listed = cast("list[Any]", entries) if isinstance(entries, list) else []
        owned += [(event, index) for index, entry in enumerate(listed) if is_ours(host, entry)]
    return owned


def settings_of(before: Mapping[str, Any], host: str, wanted: Wanted, *, install: bool) -> dict[str, Any]:
    """What the settings are to say."""
    hooks: object = before.get("hooks", {})
    if not isinstance(hooks, dict):
        raise BadInput("'hooks' is no object in it.")
    merged: dict[str, Any] = {}
    for event, entries in cast("dict[str, Any]", hooks).items():
        if not isinstance(entries, list):
            merged[event] = entries
            continue
        others = [entry for entry in cast("list[Any]", entries) if not is_ours(host, entry)]
        if others or not entries:
            merged[event] = others
    if install:
        for event, entries in wanted.entries.items():
            merged[event] = [*merged.get(event, []), *entries]
    settings = {name: value for name, value in before.items() if name != "hooks"}
    return {**settings, "hooks": merged} if merged or ("hooks" in before and not hooks) else settings


def changed_toml(host: str, wanted: Wanted, text: str, *, install: bool) -> str:
    before = read_toml(text)
    expected = settings_of(before, host, wanted, install=install)
    if expected == before:
        return text
    line = "\r\n" if "\r\n" in text else "\n"
    remaining = "".join(block for block in blocks_of(text, INNER) if not is_ours(host, hooks_in(block))).rstrip()
    if install:
        remaining = f"{remaining}{line * 2}{as_tables(wanted).replace(chr(10), line)}".strip()
    after = f"{remaining}{line}" if remaining else ""
    if read_toml(after) != expected:
        raise BadInput("It cannot be changed without changing what else it says.")
    return after


def hooks_in(block: str) -> object:
    """What a piece of a TOML text says of hooks, and whether it says nothing else; an empty object where it does."""
    try:
        parsed = tomllib.loads(block)
    except tomllib.TOMLDecodeError:
        return {}
    return parsed["hooks"] if set(parsed) == {"hooks"} else {}


def as_tables(wanted: Wanted) -> str:
    """Our hooks as TOML, each in a table of its own at the end of the file."""
    lines: list[str] = []
    for event, entries in wanted.entries.items():
        for entry in cast("tuple[dict[str, Any], ...]", entries):
            lines.append(f"[[hooks.{event}]]")
            lines += [f"{name} = {json.dumps(value)}" for name, value in entry.items() if name != "hooks"]
            for hook in cast("list[dict[str, Any]]", entry["hooks"]):
                lines += [f"\n[[hooks.{event}.hooks]]", *(f"{n} = {json.dumps(v)}" for n, v in hook.items())]
            lines.append("")
    return "\n".join(lines)
