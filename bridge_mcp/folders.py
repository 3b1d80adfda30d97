"""The user's folders for the configuration and for all that must last, as texts: found with next to nothing loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from bridge_mcp.core.errors import ConfigError

__all__ = ["CONFIG_NAME", "config_folder", "home", "state_folder"]

CONFIG_NAME = "bridge.toml"
APP = "bridge-mcp"


def config_folder(env: Mapping[str, str]) -> str:
    """The user's folder for the configuration."""
    if sys.platform == "win32":
        return os.path.join(env.get("APPDATA") or os.path.join(home(), "AppData", "Roaming"), APP)
    if sys.platform == "darwin":
        return os.path.join(home(), "Library", "Application Support", APP)
    return os.path.join(xdg(env, "XDG_CONFIG_HOME", ".config"), APP)


def state_folder(env: Mapping[str, str]) -> str:
    """The folder for all that must last: BRIDGE_MCP_STATE_DIR, or the platform's own place. It need not exist yet."""
    if moved := env.get("BRIDGE_MCP_STATE_DIR"):
        return os.path.abspath(os.path.expanduser(moved))
    if sys.platform == "win32":
        return os.path.join(env.get("LOCALAPPDATA") or os.path.join(home(), "AppData", "Local"), APP)
    if sys.platform == "darwin":
        return os.path.join(home(), "Library", "Application Support", APP, "state")
    return os.path.join(xdg(env, "XDG_STATE_HOME", os.path.join(".local", "state")), APP)


def xdg(env: Mapping[str, str], variable: str, usual: str) -> str:
    """A base folder; a relative one is ignored, as the XDG Base Directory Specification wants."""
    folder = env.get(variable) or ""
    return folder if os.path.isabs(folder) else os.path.join(home(), usual)


def home() -> str:
    """The user's home.

    Raises:
        ConfigError: nobody knows where it is (a service account without one).
    """
    fix = "Set BRIDGE_MCP_STATE_DIR and BRIDGE_MCP_CONFIG."
    folder = os.path.expanduser("~")
    if folder.startswith("~"):
        raise ConfigError("This user has no home folder.", fix=fix)
    if not os.path.isabs(folder) or os.environ.get("HOME") == "":  # it would be a folder of the working folder
        raise ConfigError("This user's home folder is not an absolute path (HOME).", fix=fix)
    return folder
