"""Where the store is, found without reading the configuration: at its usual place, unless that moves it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from bridge_mcp.folders import CONFIG_NAME, config_folder, state_folder

__all__ = ["StoreFiles", "usual_files"]

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
    named = config or environment.get("BRIDGE_MCP_CONFIG")
    source = os.path.expanduser(named) if named else os.path.join(config_folder(environment), CONFIG_NAME)
    try:
        with open(source, "rb") as file:
            if moves_store(file.read()):
                return None
    except OSError:
        if named or os.path.exists(source):
            return None
    return StoreFiles(state_folder(environment))


def moves_store(data: bytes) -> bool:
    """Whether a configuration says anything of the store: then somebody has to read it who knows TOML."""
    return any(b"store" in line.partition(b"#")[0] for line in data.splitlines())
