"""The command `console`: the web console on this machine, opened in a browser."""

from __future__ import annotations

import gc
import webbrowser
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import anyio.to_thread
from cyclopts import Parameter
from cyclopts.validators import Number
from rich.text import Text

from bridge_mcp.cli.common import USUAL, Common
from bridge_mcp.cli.output import console as terminal
from bridge_mcp.cli.run import loop
from bridge_mcp.cli.texts import serving as texts
from bridge_mcp.config import Config
from bridge_mcp.core.errors import BadInput, BridgeError
from bridge_mcp.core.policy import SCOPES

__all__ = ["console"]


def console(
    *,
    port: Annotated[int, Parameter(validator=Number(gte=0, lt=65_536))] = 0,
    scopes: str = ",".join(SCOPES),
    open_: Annotated[bool, Parameter(name="--open", negative="--no-open")] = True,
    common: Common = USUAL,
) -> int:
    """Serve the web console on this machine, and open it in the browser. Ctrl-C ends it.

    Parameters
    ----------
    port
        Where it is served; 0 for any free port.
    scopes
        What you may do there, with commas between: read, send, approve, tools, admin. With `read` alone you can look.
    open_
        Open a browser; with --no-open the address is printed, which works once, within a minute.
    """
    requested = frozenset(word.strip() for word in scopes.split(",") if word.strip())
    unknown = sorted(requested - set(SCOPES))
    if unknown or "read" not in requested:
        raise BadInput(
            f"--scopes: There is no scope '{unknown[0]}'."
            if unknown
            else "--scopes: Without the scope read there is nothing to see.",
            fix=f"The scopes are: {', '.join(SCOPES)}.",
        )
    loop(run, common.prepare(), port, requested, open_, serving=True)
    return 0


async def run(config: Config, port: int, scopes: frozenset[str], opens: bool) -> None:
    """Serve it until a signal asks to stop, with the engine where no other process is it."""
    from bridge_mcp.assembly import open_bridge
    from bridge_mcp.console.entering import launcher, printed_link
    from bridge_mcp.console.serving import ConsoleOptions, make_console, serve_console
    from bridge_mcp.console.sessions import LINK_S
    from bridge_mcp.console.visitors import owner

    out = terminal(stderr=True)
    failure: BridgeError | None = None
    async with (
        open_bridge(config, engine="now", on_ready=gc.freeze) as assembly,
        anyio.create_task_group() as tasks,
    ):
        console = make_console(assembly.bridge, ConsoleOptions(clients=config.principals, oauth=config.oauth))

        def ready(origin: str) -> None:
            key = console.sessions.link(owner(scopes))
            if not opens:
                out.print(Text(texts.open_once(printed_link(origin, key))), soft_wrap=True)
            else:
                file = launcher(config.state_dir, origin, key)
                out.print(Text(texts.opens_in_browser(f"{origin}{console.prefix}")))
                out.print(Text(texts.BROWSER_STAYS_SHUT, "dim"))
                tasks.start_soon(opened, file, LINK_S)

        try:
            await serve_console(console, port, ready)
        except BridgeError as exc:  # not wrapped into a group: it is told in a line
            failure = exc
        finally:
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def opened(file: Path, stands_s: float) -> None:
    """Have the browser open a file, and remove it once its key is dead."""
    try:
        await anyio.to_thread.run_sync(partial(webbrowser.open, file.as_uri()), abandon_on_cancel=True)
        await anyio.sleep(stands_s)
    finally:
        remove(file)


def remove(file: Path) -> None:
    """Remove a file, if it is there."""
    file.unlink(missing_ok=True)
