"""The hosts that `install` knows: where each keeps its MCP servers, in which format, and what an entry looks like.

Places and shapes are those of each host's documentation, or of the host itself where `tests/hosts` runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.json_reader import JSON
from bridge_mcp.hosts.launch import Launch

__all__ = ["HOSTS", "Host", "Machine"]

Entry = dict[str, JSON]


class Machine(Struct, frozen=True):
    """What the places of settings depend on."""

    platform: str
    """As `sys.platform` says it."""
    home: Path
    env: Mapping[str, str]

    def settings(self, name: str) -> Path:
        """The folder of a program that keeps its settings where the platform wants them."""
        if self.platform == "darwin":
            return self.home / "Library" / "Application Support" / name
        return self.roaming / name if self.platform == "win32" else self.xdg / name

    @property
    def roaming(self) -> Path:
        """Windows' folder for settings."""
        return Path(self.env.get("APPDATA") or self.home / "AppData" / "Roaming")

    @property
    def xdg(self) -> Path:
        """The base folder for settings by the XDG Base Directory Specification; a relative one is ignored."""
        folder = Path(self.env.get("XDG_CONFIG_HOME") or "")
        return folder if folder.is_absolute() else self.home / ".config"

    def moved(self, variable: str, usual: str) -> Path:
        """A host's own folder: where its variable says, else below the home folder."""
        return Path(self.env.get(variable) or self.home / usual)


class Host(Struct, frozen=True):
    """One host."""

    title: str
    place: Callable[[Machine], Path]
    """Its settings for all projects of a user."""
    path: tuple[str, ...]
    """Where in them its servers stand: an object, or a list whose items name themselves."""
    entry: Callable[[Launch], Entry]
    """A server's entry, without its name."""
    inherits: bool = False
    """Whether it gives a server its own variables, so that secrets need no word in its settings."""
    only_existing: bool = False
    """Whether a file that is not there is not made: nothing sure says where it would be, or what else it needs."""
    listed: bool = False
    """Whether its servers are a list."""
    advice: str = "Start it anew."
    """What is left to do."""
    project: tuple[str, ...] = ()
    """Its settings of one project, below the project's folder: the first that is there, else the first; () for none."""

    def file(self, machine: Machine, project: Path | None = None) -> Path:
        """Its settings: of the user, or of a project (a folder).

        Raises:
            BadInput: it has none for projects, or the project's file leads out of its folder.
        """
        if project is None:
            return self.place(machine)
        if not self.project:
            raise BadInput(
                f"{self.title} has no settings for single projects.",
                fix=f"Leave out --project, or choose one of: {', '.join(n for n, h in HOSTS.items() if h.project)}.",
            )
        places = [project / path for path in self.project]
        place = next((candidate for candidate in places if candidate.exists()), places[0])
        # A project may be somebody else's, and links come with it.
        if not place.resolve().is_relative_to(project.resolve()):
            raise BadInput(
                f"{place} leads out of the project, to {place.resolve()}.",
                fix="Look whose link that is, and remove it; or leave out --project, for the settings of all projects.",
            )
        return place

    def passes(self, launch: Launch) -> bool:
        """Whether the entry names every secret of the launch, in a way that the host replaces by its value."""
        return not launch.secrets or self.inherits or all(str(self.entry(launch)).count(n) for n in launch.secrets)


def plain(launch: Launch) -> Entry:
    """The shape that most hosts share."""
    return {"command": launch.command, "args": [*launch.args], **env(launch)}


def env(launch: Launch, key: str = "env", reference: str = "") -> Entry:
    """The variables of an entry; `reference` is how the host writes a variable of its own, with `{}` for the name."""
    references = {name: reference.replace("{}", name) for name in launch.secrets} if reference else {}
    variables: dict[str, JSON] = {**launch.env, **references}
    return {key: variables} if variables else {}


def braced(launch: Launch) -> Entry:
    """Cursor and Windsurf replace `${env:NAME}`."""
    return {**plain(launch), **env(launch, reference="${env:{}}")}


def stdio(launch: Launch) -> Entry:
    return {"type": "stdio", **plain(launch)}


def copilot(launch: Launch) -> Entry:
    return {"type": "stdio", **plain(launch), "tools": ["*"]}


def zed(launch: Launch) -> Entry:
    return {"source": "custom", **plain(launch)}


def codex(launch: Launch) -> Entry:
    """Codex gives a server few variables, and those that `env_vars` names."""
    return {**plain(launch), **({"env_vars": [*launch.secrets]} if launch.secrets else {})}


def gemini(launch: Launch) -> Entry:
    """Gemini CLI keeps from servers what looks like a secret, unless it is named; `$NAME` is replaced."""
    return {**plain(launch), **env(launch, reference="${}")}


def opencode(launch: Launch) -> Entry:
    return {
        "type": "local",
        "command": [launch.command, *launch.args],
        "enabled": True,
        **env(launch, "environment"),
    }


def goose(launch: Launch) -> Entry:
    """Goose takes the values of `env_keys` from its own variables or its keyring, and asks for what is not there."""
    return {
        "name": "bridge",
        "type": "stdio",
        "cmd": launch.command,
        "args": [*launch.args],
        "enabled": True,
        "timeout": 300,
        **env(launch, "envs"),
        **({"env_keys": [*launch.secrets]} if launch.secrets else {}),
    }


def cline(launch: Launch) -> Entry:
    """Cline waits three seconds for the first answer unless it is told more."""
    return {"transport": {"type": "stdio", **plain(launch)}, "timeout": 60}


def zed_place(machine: Machine) -> Path:
    """Zed's settings; on macOS sources disagree, so the one that is there."""
    usual = machine.home / ".config" / "zed" / "settings.json"
    if machine.platform == "win32":
        return machine.roaming / "Zed" / "settings.json"
    if machine.platform == "darwin":
        fallback = machine.settings("Zed") / "settings.json"
        return fallback if fallback.exists() and not usual.exists() else usual
    return machine.xdg / "zed" / "settings.json"


def opencode_place(machine: Machine) -> Path:
    folder = machine.xdg / "opencode"
    commented = folder / "opencode.jsonc"
    return commented if commented.exists() else folder / "opencode.json"


def goose_place(machine: Machine) -> Path:
    if machine.platform == "win32":
        return machine.roaming / "Block" / "goose" / "config" / "config.yaml"
    return machine.xdg / "goose" / "config.yaml"


def claude_code_place(machine: Machine) -> Path:
    moved = machine.env.get("CLAUDE_CONFIG_DIR")
    return Path(moved) / ".claude.json" if moved else machine.home / ".claude.json"


def lmstudio_place(machine: Machine) -> Path:
    """LM Studio's folder; older installations keep it in the cache."""
    usual, older = machine.home / ".lmstudio" / "mcp.json", machine.home / ".cache" / "lm-studio" / "mcp.json"
    return older if older.exists() and not usual.exists() else usual


SERVERS = ("mcpServers",)

HOSTS: dict[str, Host] = {
    "claude-desktop": Host(
        "Claude Desktop", lambda m: m.settings("Claude") / "claude_desktop_config.json", SERVERS, plain
    ),
    "claude-code": Host(
        "Claude Code", claude_code_place, SERVERS, stdio, inherits=True, advice="New sessions have it (/mcp).",
        project=(".mcp.json",),
    ),
    "cursor": Host(
        "Cursor", lambda m: m.home / ".cursor" / "mcp.json", SERVERS, braced, project=(".cursor/mcp.json",)
    ),
    "vscode": Host(
        "VS Code",
        lambda m: m.settings("Code") / "User" / "mcp.json",
        ("servers",),
        stdio,
        inherits=True,
        advice="Start the server there (MCP: List Servers).",
        project=(".vscode/mcp.json",),
    ),
    "copilot": Host(
        "Copilot CLI", lambda m: m.moved("COPILOT_HOME", ".copilot") / "mcp-config.json", SERVERS, copilot
    ),
    "windsurf": Host("Windsurf", lambda m: m.home / ".codeium" / "windsurf" / "mcp_config.json", SERVERS, braced),
    "zed": Host(
        "Zed", zed_place, ("context_servers",), zed, only_existing=True, project=(".zed/settings.json",)
    ),
    "codex": Host(
        "Codex", lambda m: m.moved("CODEX_HOME", ".codex") / "config.toml", ("mcp_servers",), codex,
        advice="New sessions have it (/mcp); those of a project, once it is trusted.", project=(".codex/config.toml",),
    ),
    "gemini": Host(
        "Gemini CLI", lambda m: m.home / ".gemini" / "settings.json", SERVERS, gemini,
        advice="New sessions have it (/mcp), in folders that it trusts.", project=(".gemini/settings.json",),
    ),
    "antigravity": Host(
        "Antigravity", lambda m: m.home / ".gemini" / "antigravity" / "mcp_config.json", SERVERS, plain
    ),
    "opencode": Host(
        "opencode", opencode_place, ("mcp",), opencode, inherits=True, advice="New sessions have it.",
        project=("opencode.json", "opencode.jsonc"),
    ),
    "goose": Host("Goose", goose_place, ("extensions",), goose, advice="New sessions have it."),
    "lmstudio": Host("LM Studio", lmstudio_place, SERVERS, plain, advice="It takes it up by itself."),
    "cline": Host(
        "Cline", lambda m: m.home / ".cline" / "data" / "settings" / "cline_mcp_settings.json", SERVERS, cline
    ),
    "continue": Host(
        "Continue", lambda m: m.home / ".continue" / "config.yaml", SERVERS, plain, only_existing=True, listed=True,
        advice="It takes it up by itself.",
    ),
}  # fmt: skip
"""By the name that `install` takes."""
