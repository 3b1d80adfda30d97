"""Where the store is, found without reading all of the configuration: at its usual place, or where [store] says."""

from __future__ import annotations

import os
from collections.abc import Mapping

from bridge_mcp.folders import CONFIG_NAME, config_folder, home, state_folder
from bridge_mcp.hooks.events import fields_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["StoreFiles", "database_url", "usual_files"]

STORE, LOCK, CALLERS = "bridge.db", "engine.lock", "callers"
"""As `config.values` has them below the state folder."""


class StoreFiles:
    """The files of a store that a hook needs."""

    def __init__(self, folder: str) -> None:
        self.store = os.path.join(folder, STORE)
        self.callers = os.path.join(folder, CALLERS)


def usual_files(config: str | None, environment: Mapping[str, str]) -> StoreFiles | None:
    """The files at their usual place; None where the configuration may say another one, or cannot be read.

    Whether the configuration may be trusted is looked at later, by whoever goes by it.

    Raises:
        ConfigError: this user has no home.
    """
    is_named, source = source_of(config, environment)
    try:
        with open(source, "rb") as file:
            if moves_store(file.read()):
                return None
    except OSError:
        if is_named or os.path.lexists(source):
            return None
    return StoreFiles(state_folder(environment))


def source_of(config: str | None, environment: Mapping[str, str]) -> tuple[bool, str]:
    """Whether the configuration was named, and where it is."""
    path = config or environment.get("BRIDGE_MCP_CONFIG")
    source = os.path.expanduser(path) if path else os.path.join(config_folder(environment), CONFIG_NAME)
    return bool(path), source


def moves_store(data: bytes) -> bool:
    """Whether a configuration says anything of the store: then somebody has to read it who knows TOML."""
    return any(b"store" in line.partition(b"#")[0] for line in data.splitlines())


def database_url(config: str | None, environment: Mapping[str, str]) -> str:
    """The URL of the database that holds the store; "" where it is none, or where the whole configuration tells more.

    Raises:
        ConfigError: others can write the configuration, which nobody has named.
    """
    import tomllib
    from pathlib import Path

    from bridge_mcp.file_owner import check_owner_alone

    is_named, source = source_of(config, environment)
    try:
        if not is_named:
            check_owner_alone(Path(source), Path(home()))
        with open(source, "rb") as file:
            store = tomllib.loads(file.read().decode("utf-8-sig")).get("store")
    except (OSError, ValueError, RecursionError):
        return ""
    return url_in(fields_of(store), os.path.dirname(os.path.abspath(source)), environment)


def url_in(store: Mapping[str, Any], folder: str, environment: Mapping[str, str]) -> str:
    """The URL that [store] gives, and nothing that `config.store` would refuse."""
    from bridge_mcp.core.database_url import POSTGRES, taken_apart, unprotected

    sources = [(key, str(store[key])) for key in ("url", "url_env", "url_file") if store.get(key)]
    if len(sources) != 1:
        return ""
    ((key, value),) = sources
    try:
        if key == "url_file":
            with open(os.path.join(folder, os.path.expanduser(value)), encoding="utf-8") as file:
                value = file.read()
        url = environment.get(value, "").strip() if key == "url_env" else value.strip()
        parts = taken_apart(url)
    except (OSError, ValueError):
        return ""
    refused = (key == "url" and parts.password) or unprotected(parts, environment)
    return url if url.startswith(POSTGRES) and not refused else ""
