"""Settings, read once: finds bridge.toml, checks all of it, and gives the frozen values that the rooms take.

All mistakes are told at once, in one `ConfigError` that names the file, the keys and the fixes, before anything starts.
Knows nothing of what the settings are used for.
"""

from bridge_mcp.config.load import examine, load_config
from bridge_mcp.config.values import ChannelSettings, Client, Config
from bridge_mcp.paths import CONFIG_NAME, config_folder, find_config, own_config, state_folder, working_folder

__all__ = [
    "CONFIG_NAME",
    "ChannelSettings",
    "Client",
    "Config",
    "config_folder",
    "examine",
    "find_config",
    "load_config",
    "own_config",
    "state_folder",
    "working_folder",
]
