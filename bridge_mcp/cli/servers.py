"""Commands for tool servers: list, changes, accept, trust, import, login."""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.common import USUAL, Common, Json, engine_runs, with_bridge
from bridge_mcp.cli.output import console, print_json
from bridge_mcp.cli.run import loop
from bridge_mcp.cli.texts import setup as texts
from bridge_mcp.config import CONFIG_NAME
from bridge_mcp.config.host_files import decoded
from bridge_mcp.config.importing import Imported, imported
from bridge_mcp.config.load import complaint
from bridge_mcp.core.errors import BadInput, ConfigError, room_or
from bridge_mcp.core.safe_text import visible
from bridge_mcp.paths import find_config, working_folder
from bridge_mcp.service import OWNER

__all__ = ["accept", "changes", "import_", "list_", "login", "trust"]


def list_(*, json: Json = False, common: Common = USUAL) -> int:
    """List the tool servers of bridge.toml, and how the engine last saw each."""

    async def body(assembly: Assembly) -> int:
        published = {server.name: server for server in (await assembly.bridge.list_tools(OWNER)).servers}
        places = {server.name: server.place for server in assembly.config.tool_servers}
        if not engine_runs(assembly):
            published = {name: server for name, server in published.items() if name in places}
        rows = [
            {
                "name": name,
                "where": places.get(name, texts.OF_THE_ENGINE),
                "state": published[name].state if name in published else "unknown",
                "tools": published[name].tools if name in published else 0,
                "error": published[name].error if name in published else "",
                "instructions": published[name].instructions if name in published else "unknown",
            }
            for name in dict.fromkeys([*places, *published])
        ]
        if json:
            print_json(rows)
            return 0
        if not rows:
            console().print(texts.NO_SERVERS)
        for row in rows:
            name, state = str(row["name"]), str(row["state"])
            line = texts.server(name, state=state, tools=int(str(row["tools"])), where=visible(str(row["where"])))
            console().print(line, style="")
            if row["error"]:
                console().print(f"    {visible(str(row['error']))}")
            if hint := texts.INSTRUCTIONS.get(str(row["instructions"])):
                console().print(f"    {hint}", markup=False)
        return 0

    return with_bridge(common, body)


def changes(*, json: Json = False, common: Common = USUAL) -> int:
    """List the tools that changed since they were first seen, or last approved. Their calls ask first."""

    async def body(assembly: Assembly) -> int:
        changed = await assembly.bridge.list_changes(OWNER)
        if json:
            print_json(changed)
            return 0
        out = console()
        for change in changed:
            out.print(f"{visible(change.spec.name)}: {change.spec.changed}", style="bold")
            for part, before, now in (
                (texts.SAYS, change.description, change.spec.description),
                (texts.TAKES, change.schema, change.spec.schema),
            ):
                if before not in ("", now):
                    out.print(texts.was(part, visible(before)))
                    out.print(texts.now(part, visible(now)))
            out.print(texts.accept_it(visible(change.spec.name), change.digest))
        out.print(texts.tools_changed(len(changed)))
        if changed:
            out.print(texts.CHANGES_BY_ITSELF)
        return 0

    return with_bridge(common, body)


def accept(
    tool: str,
    /,
    *,
    digest: Annotated[str, Parameter(help="As listed: accept only exactly that.")] = "",
    json: Json = False,
    common: Common = USUAL,
) -> int:
    """Trust a changed tool as it is now. Its calls ask again only where the policy says so.

    Parameters
    ----------
    tool
        Its name, as `servers changes` lists it.
    """

    async def body(assembly: Assembly) -> int:
        change = await assembly.bridge.accept_change(OWNER, tool, digest=digest)
        if json:
            print_json(change)
        else:
            console().print(texts.accepted(visible(tool)))
        return 0

    return with_bridge(common, body)


def trust(name: str, code: str = "", /, *, common: Common = USUAL) -> int:
    """See what a tool server says of its tools where that has changed, and accept it by the code that is shown.

    Parameters
    ----------
    name
        The server, as bridge.toml calls it.
    code
        Stands for the very text that was shown.
    """

    async def body(assembly: Assembly) -> int:
        answer = await assembly.bridge.trust_instructions(OWNER, name, code)
        console().print(answer, markup=False, highlight=False)
        return 0

    return with_bridge(common, body)


def import_(
    path: Path,
    /,
    *,
    dry_run: Annotated[bool, Parameter(help="Only show what would be added.")] = False,
    common: Common = USUAL,
) -> int:
    """Add the servers of another MCP host's settings to bridge.toml. What is there stays as it is.

    Secrets are not copied: each becomes the name of an environment variable, which is told.

    Parameters
    ----------
    path
        claude_desktop_config.json, .cursor/mcp.json, .vscode/mcp.json, .mcp.json, ...
    """
    target = find_config(common.config, os.environ, working_folder())
    if target is None:
        raise ConfigError(f"There is no {CONFIG_NAME} to add servers to.", fix="Write one with: bridge-mcp init")
    imports = imported(read(path), tool_servers_in(target))
    added = [server for server in imports if server.section]
    if added and not dry_run:
        append(target, added)
    out = console()
    for server in imports:
        out.print(f"{'+' if server.section else '-'} {visible(server.name)}", style="bold")
        if server.section and dry_run:
            out.print(visible(server.section.rstrip(), lines=True), markup=False, highlight=False)
        for note in server.notes:
            out.print(f"    {visible(note)}", markup=False)
    summary = texts.would_import if dry_run else texts.imported
    out.print(summary(len(added), total=len(imports), target=target))
    return 0


def login(name: str, /, *, common: Common = USUAL) -> int:
    """Log in to a tool server that wants it by OAuth. What it gives stays in the state folder.

    Parameters
    ----------
    name
        The server, as bridge.toml calls it.
    """
    config = common.prepare()
    server = next((tool_server for tool_server in config.tool_servers if tool_server.name == name), None)
    if server is None or not server.oauth:
        raise BadInput(f"There is no tool server '{name}' that wants a login.", fix='Give its section: auth = "oauth"')
    from bridge_mcp.toolservers.oauth import log_in

    def show(address: str) -> None:
        console().print(texts.log_in_at(address), markup=False, soft_wrap=True)

    loop(log_in, server, config.tokens_path, show)
    console().print(texts.logged_in(name))
    return 0


def read(path: Path) -> str:
    try:
        return decoded(path.read_bytes())
    except OSError as exc:
        raise BadInput(f"{path} cannot be read: {exc.strerror}.", fix="Name the settings file of an MCP host.") from exc


def tool_servers_in(target: Path) -> frozenset[str]:
    """The names that are there already."""
    try:
        return frozenset(tomllib.loads(target.read_text("utf-8-sig")).get("tool_servers", {}))
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{target} cannot be read: {exc}.", fix="Mend it first: bridge-mcp check") from exc


def append(target: Path, added: Sequence[Imported]) -> None:
    """Write the sections behind what is there, all or none of them.

    Raises:
        ConfigError: the file cannot hold them, or cannot be written; it is as it was.
    """
    target = target.resolve()  # a link stays one
    before = target.read_bytes().decode()
    end = "\r\n" if "\r\n" in before else "\n"
    sections = "\n".join(server.section for server in added).replace("\n", end)
    text = before.rstrip("\r\n") + end * 2 + sections
    if complaint(before, target.parent):
        raise ConfigError(f"{target} has mistakes of its own.", fix="Mend them first: bridge-mcp check")
    if wrong := complaint(text, target.parent):
        raise ConfigError(f"{target} cannot take these sections: {wrong}", fix="See them with --dry-run.")
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as temporary:
            temporary.write(text.encode())
        os.chmod(temporary.name, target.stat().st_mode & 0o777)
        Path(temporary.name).replace(target)
    except OSError as exc:
        raise ConfigError(
            f"{target} cannot be written: {exc.strerror}.", fix=room_or(exc, "Mind its permissions.")
        ) from exc
