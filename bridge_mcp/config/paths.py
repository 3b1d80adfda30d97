"""Where the files are: the configuration, and the state folder. Knows nothing of what is in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from bridge_mcp.core.errors import ConfigError

__all__ = ["CONFIG_NAME", "config_folder", "find_config", "make_private", "state_folder"]

CONFIG_NAME = "bridge.toml"
APP = "bridge-mcp"


def find_config(asked: str | Path | None, env: Mapping[str, str], cwd: Path) -> Path | None:
    """The configuration to read: `asked`, BRIDGE_MCP_CONFIG, the working folder's, the user's; None when there is none.

    Raises:
        ConfigError: a file that was named is not there.
    """
    for named, whence in ((asked, "--config"), (env.get("BRIDGE_MCP_CONFIG"), "BRIDGE_MCP_CONFIG")):
        if named:
            path = cwd / Path(named).expanduser()
            if not path.is_file():
                raise ConfigError(
                    f"There is no file {path} ({whence}).", fix=f"Write one with: bridge-mcp init {named}"
                )
            return path
    return next((path for path in (cwd / CONFIG_NAME, config_folder(env) / CONFIG_NAME) if path.is_file()), None)


def config_folder(env: Mapping[str, str]) -> Path:
    """The user's folder for the configuration."""
    if sys.platform == "win32":
        return Path(env.get("APPDATA") or home() / "AppData" / "Roaming") / APP
    if sys.platform == "darwin":
        return home() / "Library" / "Application Support" / APP
    return Path(env.get("XDG_CONFIG_HOME") or home() / ".config") / APP


def state_folder(env: Mapping[str, str]) -> Path:
    """The folder for all that must last: BRIDGE_MCP_STATE_DIR, or the platform's own place. It need not exist yet."""
    if moved := env.get("BRIDGE_MCP_STATE_DIR"):
        return Path(moved).expanduser().absolute()
    if sys.platform == "win32":
        return Path(env.get("LOCALAPPDATA") or home() / "AppData" / "Local") / APP
    if sys.platform == "darwin":
        return home() / "Library" / "Application Support" / APP / "state"
    return Path(env.get("XDG_STATE_HOME") or home() / ".local" / "state") / APP


def make_private(folder: Path) -> None:
    """Make the folder, open to its owner alone (mode 0700 where modes mean something).

    Raises:
        ConfigError: it cannot be made, or is not writable.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(
            f"The state folder {folder} cannot be made: {exc.strerror or exc}.",
            fix="Set BRIDGE_MCP_STATE_DIR to a folder you may write to.",
        ) from exc
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(
            f"The state folder {folder} is not writable.", fix="Set BRIDGE_MCP_STATE_DIR to a folder you may write to."
        )


def home() -> Path:
    """The user's home.

    Raises:
        ConfigError: nobody knows where it is (a service account without one).
    """
    try:
        return Path.home()
    except RuntimeError as exc:
        raise ConfigError(
            "This user has no home folder.", fix="Set BRIDGE_MCP_STATE_DIR and BRIDGE_MCP_CONFIG."
        ) from exc
