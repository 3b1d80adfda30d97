"""Where the files are: the configuration, and the state folder. Knows nothing of what is in them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bridge_mcp import folders
from bridge_mcp.core.errors import ConfigError, room_or
from bridge_mcp.file_owner import check_owner_alone
from bridge_mcp.folders import CONFIG_NAME

__all__ = [
    "CONFIG_NAME",
    "config_folder",
    "find_config",
    "make_private",
    "own_config",
    "passed_over",
    "state_folder",
    "working_folder",
]


def find_config(asked: str | Path | None, env: Mapping[str, str], cwd: Path) -> Path | None:
    """The configuration to read: `asked`, BRIDGE_MCP_CONFIG, or the user's own file; None when there is none.

    The working folder is never searched: a host starts in whatever project is open, and a configuration runs commands.

    Raises:
        ConfigError: a file that was named is not there; others can write the user's own, or it is none.
    """
    for file, source in ((asked, "--config"), (env.get("BRIDGE_MCP_CONFIG"), "BRIDGE_MCP_CONFIG")):
        if file:
            path = cwd / Path(file).expanduser()
            if not path.is_file():
                raise ConfigError(f"There is no file {path} ({source}).", fix=f"Write one with: bridge-mcp init {file}")
            return path
    own = own_config(env)
    try:
        there = own.is_file()
    except OSError as exc:
        raise ConfigError(f"{own} cannot be read: {exc.strerror}.", fix="Mind its permissions.") from exc
    if there:
        check_owner_alone(own, home())
        return own
    if os.path.lexists(own):  # a link that leads nowhere: to go by the defaults would lose what it says of approvals
        raise ConfigError(f"{own} is no file, or a link that leads nowhere.", fix="Mend it, or remove it.")
    return None


def own_config(env: Mapping[str, str]) -> Path:
    """Where the user's own configuration is, or would be."""
    return config_folder(env) / CONFIG_NAME


def passed_over(source: Path | None, asked: str | Path | None, env: Mapping[str, str], cwd: Path) -> Path | None:
    """The bridge.toml of the working folder, if it is there and is not the one in use; None if a file was named."""
    here = cwd / CONFIG_NAME
    try:
        if asked or env.get("BRIDGE_MCP_CONFIG") or not here.is_file():
            return None
        return None if source and source.samefile(here) else here
    except OSError:  # a folder that cannot be read holds nothing to take
        return None


def working_folder() -> Path:
    """The folder this process was started in; the user's home if that is gone."""
    try:
        return Path.cwd()
    except OSError:
        return home()


def config_folder(env: Mapping[str, str]) -> Path:
    """The user's folder for the configuration."""
    return Path(folders.config_folder(env))


def state_folder(env: Mapping[str, str]) -> Path:
    """The folder for all that must last: BRIDGE_MCP_STATE_DIR, or the platform's own place. It need not exist yet."""
    return Path(folders.state_folder(env))


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
            fix=room_or(exc, "Set BRIDGE_MCP_STATE_DIR to a folder you may write to."),
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
    return Path(folders.home())
