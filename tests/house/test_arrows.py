"""Which way the arrows point: each room imports only what it may, and each library lives in one room only."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import bridge_mcp

HOME = Path(bridge_mcp.__file__).parent

ROOMS: dict[str, frozenset[str]] = {
    # room: the rooms it may import beside itself
    "core": frozenset(),
    "ports": frozenset({"core"}),
    "operations": frozenset({"core", "ports"}),
    "engine": frozenset({"core", "ports", "operations", "wakeup"}),
    "service": frozenset({"core", "ports", "operations", "engine", ""}),
    "stores": frozenset({"core", "ports", "wakeup"}),
    "channels": frozenset({"core", "ports", "redaction", "listening"}),
    "models": frozenset({"core", "ports"}),
    "toolservers": frozenset({"core", "ports", ""}),
    "gate": frozenset({"core", "ports", "operations", "toolservers"}),
    "server": frozenset({"core", "ports", "service", "listening", ""}),
    "console": frozenset({"core", "ports", "service", "server", "listening"}),
    "telemetry": frozenset({"core", "ports"}),
    "testing": frozenset({"core", "ports"}),
    "workers": frozenset({"core", "ports", "stores"}),
    "config": frozenset({"core", "ports", "channels", "models", "toolservers", "paths", "telemetry"}),
    "hooks": frozenset({"core", "ports", "operations", "service", "stores", "folders", "file_owner", "hosts"}),
    "hosts": frozenset({"core", "config"}),
    "paths": frozenset({"core", "folders", "file_owner"}),
    "folders": frozenset({"core"}),
    "file_owner": frozenset({"core"}),
    "engine_lock": frozenset({"core", "ports", "file_lock"}),
    "callers": frozenset({"core", "file_lock"}),
    "file_lock": frozenset({"core"}),
    "redaction": frozenset({"core"}),
    "how_started": frozenset(),
    "wakeup": frozenset(),
    "listening": frozenset({"core"}),
    "demo_files_server": frozenset(),
}
EVERYTHING = {
    "assembly",
    "worker_assembly",
    "face_assembly",
    "builtin_tools",
    "cli",
    "demo",
    "reference",
    "voices",
    "__main__",
    "__init__",
}
"""Composition, commands, and what is drawn of all: they may see all."""

EVERYWHERE = {"bridge_mcp", "msgspec", *sys.stdlib_module_names}
"""What any room may import: all values are made of msgspec's structs."""

LIBRARIES: dict[str, frozenset[str]] = {
    # library: the rooms it may be imported in
    "mcp": frozenset({"server", "demo", "demo_files_server", "toolservers"}),
    "mcp_types": frozenset({"server", "demo", "demo_files_server", "toolservers"}),
    "fastmcp": frozenset({"toolservers"}),
    "litellm": frozenset({"models"}),
    "openai": frozenset({"models"}),
    "aiohttp": frozenset({"channels", "models", "server"}),
    "certifi": frozenset({"models"}),
    "httpx": frozenset({"channels"}),
    "httpx2": frozenset({"server", "toolservers"}),
    "telegram": frozenset({"channels"}),
    "slack_sdk": frozenset({"channels"}),
    "markdown_it": frozenset({"channels", "console"}),
    "discord": frozenset({"channels"}),
    "yarl": frozenset({"channels"}),
    "telegramify_markdown": frozenset({"channels"}),
    "pyromark": frozenset({"channels"}),
    "regex": frozenset({"channels"}),
    "sqlite3": frozenset({"stores"}),
    "psycopg": frozenset({"stores", "workers"}),
    "psycopg_pool": frozenset({"workers"}),
    "procrastinate": frozenset({"stores", "workers"}),
    "jsonschema_rs": frozenset({"toolservers"}),
    "yaml": frozenset({"config", "hosts"}),
    "pyjson5": frozenset({"config", "hosts"}),
    "tomlkit": frozenset({"config", "hosts"}),
    "cachetools": frozenset({"channels", "engine", "operations", "models", "server", "telemetry"}),
    "jwt": frozenset({"server"}),
    "pytest": frozenset({"testing"}),
    "pydantic": frozenset({"server", "channels", "config", "reference", "toolservers"}),
    "pydantic_core": frozenset({"server", "config"}),
    "standardwebhooks": frozenset({"server"}),
    "starlette": frozenset({"server", "console"}),
    "jinja2": frozenset({"console"}),
    "markupsafe": frozenset({"console"}),
    "uvicorn": frozenset({"listening"}),
    "cyclopts": frozenset({"cli", "reference"}),
    "opentelemetry": frozenset({"server", "telemetry", "toolservers"}),
    "prompt_toolkit": frozenset({"cli"}),
    "rich": frozenset({"cli", "demo"}),
    "uvloop": frozenset({"assembly", "cli"}),
    "anyio": frozenset(
        {
            "engine",
            "operations",
            "service",
            "stores",
            "channels",
            "models",
            "toolservers",
            "gate",
            "server",
            "console",
            "testing",
            "assembly",
            "face_assembly",
            "worker_assembly",
            "workers",
            "builtin_tools",
            "cli",
            "hooks",
            "telemetry",
            "demo",
        }
    ),
}


def room_of(path: Path) -> str:
    first = path.relative_to(HOME).parts[0]
    return first.removesuffix(".py")


@lru_cache(None)
def imports(path: Path) -> frozenset[tuple[str, str]]:
    """Every import of a module, also those inside functions: the top name, and of our own package the room."""
    found: set[tuple[str, str]] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            whole = node.module == "bridge_mcp"
            names = [f"{node.module}.{alias.name}" for alias in node.names] if whole else [node.module]
        for name in names:
            parts = name.split(".")
            found.add((parts[0], parts[1] if len(parts) > 1 else ""))
    return frozenset(found)


def modules() -> Iterator[Path]:
    yield from sorted(HOME.rglob("*.py"))


def test_each_room_imports_only_what_it_may() -> None:
    known = {room_of(path) for path in modules()}
    wrong: list[str] = []
    for path in modules():
        room = room_of(path)
        if room in EVERYTHING:
            continue
        allowed = ROOMS[room] | {room}
        for top, inner in imports(path):
            target = inner if inner in known else ""
            if top == "bridge_mcp" and target not in allowed:
                wrong.append(f"{path.relative_to(HOME)} imports {target or 'bridge_mcp'}")
    assert wrong == []


def test_the_core_and_the_ports_know_the_standard_library_and_what_values_are_made_of() -> None:
    wrong = [
        f"{path.relative_to(HOME)} imports {top}"
        for path in modules()
        if room_of(path) in {"core", "ports"}
        for top, _ in imports(path)
        if top not in EVERYWHERE
    ]
    assert wrong == []


def test_the_core_does_nothing() -> None:
    """No I/O, clock, randomness or logging in the core."""
    doing = {"time", "datetime", "random", "secrets", "uuid", "logging", "os", "io", "socket", "pathlib", "asyncio"}
    wrong = [
        f"{path.relative_to(HOME)} imports {top}"
        for path in modules()
        if room_of(path) == "core"
        for top, _ in imports(path)
        if top in doing
    ]
    assert wrong == []


def test_each_library_lives_in_its_room() -> None:
    wrong: list[str] = []
    for path in modules():
        room = room_of(path)
        for top, _ in imports(path):
            if top in LIBRARIES and room not in LIBRARIES[top]:
                wrong.append(f"{path.relative_to(HOME)} imports {top}")
            elif top not in LIBRARIES and top not in EVERYWHERE:
                wrong.append(f"{path.relative_to(HOME)} imports {top}, which has no room")
    assert wrong == []
