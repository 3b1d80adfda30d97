"""Commands that stay up: stdio (what a plain `bridge-mcp` does), and serve."""

from __future__ import annotations

import gc
from ipaddress import ip_address
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from bridge_mcp.cli.common import USUAL, Common
from bridge_mcp.cli.output import console
from bridge_mcp.cli.run import loop
from bridge_mcp.cli.start_options import HOLD_S
from bridge_mcp.cli.texts import serving as texts
from bridge_mcp.config import Config
from bridge_mcp.core.errors import BadInput

__all__ = ["gate", "plain", "serve"]


def plain(
    *,
    scopes: str | None = None,
    expose: list[str] | None = None,
    channel: Annotated[bool, Parameter(negative=())] = False,
    common: Common = USUAL,
) -> int:
    """Serve MCP over standard input and output, as hosts start it.

    Parameters
    ----------
    scopes
        What the host may do, with commas between: read, send, approve, tools, admin. Else all but admin.
    expose
        The tool servers whose tools are among the host's own, with commas between or one by one; `*` for all.
    channel
        Be a channel of Claude Code: push messages into its session, and have people answer its permission prompts.
    """
    from bridge_mcp.cli import stdio
    from bridge_mcp.cli.start_options import StdioOptions

    names = None if expose is None else ",".join(expose)
    return stdio.serve(
        StdioOptions(common.config, scopes, common.log_level, expose=names, channel=channel, log_json=common.log_json)
    )


def gate(
    *command: Annotated[str, Parameter(allow_leading_hyphen=True)],
    name: str = "",
    hold_s: float = HOLD_S,
    common: Common = USUAL,
) -> int:
    """Stand before an MCP server: each call of its tools passes the approvals.

    A host starts this in the place of the server's own command: bridge-mcp gate -- COMMAND ARGUMENTS. The tools keep
    their names; a call that needs a verdict is decided in a chat, in the terminal, or over MCP.

    Parameters
    ----------
    command
        What starts the server, behind a `--`.
    name
        What the server is called in prompts; else a name made of its command.
    hold_s
        How long a call that waits is held for a host that asks for no progress.
    """
    from bridge_mcp.cli import gate
    from bridge_mcp.cli.start_options import GateOptions

    return gate.serve(
        GateOptions(command, name, common.config, log_level=common.log_level, hold_s=hold_s, log_json=common.log_json)
    )


def serve(
    *,
    http: str | None = None,
    insecure_loopback: bool = False,
    common: Common = USUAL,
) -> int:
    """Stay up: the engine, and with --http the MCP face for many clients. Ctrl-C ends it.

    Parameters
    ----------
    http
        HOST:PORT to serve MCP on (at /mcp). Clients show a token of a [clients.NAME] section.
    insecure_loopback
        Let every program of this machine in without a token.
    """
    address = parse_address(http) if http else None
    config = common.prepare("info")
    if config.store.is_postgres and address is None:
        raise BadInput(
            f"On {config.store.shown} workers drive, and serve alone would do nothing.",
            fix="Start bridge-mcp worker; and serve --http HOST:PORT for clients.",
        )
    loop(run, config, address, insecure_loopback, serving=True)
    return 0


async def run(config: Config, address: tuple[str, int] | None, insecure_loopback: bool) -> None:
    """Be the engine, or stand by for it, and serve HTTP if an address is given."""
    from bridge_mcp.assembly import open_bridge

    out = console(stderr=True)
    async with open_bridge(config, engine="now", on_ready=gc.freeze) as assembly:
        if address is None:
            out.print(texts.up(config.where))
            await until_stopped()
            return
        from bridge_mcp.console.card import Card
        from bridge_mcp.console.serving import ConsoleOptions, make_console
        from bridge_mcp.server.http.app import HttpOptions, serve_http

        host, port = address
        for warning in exposed(host, config):
            out.print(Text(f"! {warning}", "yellow"), soft_wrap=True)
        options = HttpOptions(
            host=host,
            port=port,
            clients=config.principals,
            insecure_loopback=insecure_loopback,
            allowed_hosts=config.allowed_hosts,
            allowed_origins=config.allowed_origins,
            oauth=config.oauth,
            rate_per_s=config.rate_per_s,
            burst=config.burst,
            beside=make_console(
                assembly.bridge,
                ConsoleOptions(clients=config.principals, oauth=config.oauth, allowed_hosts=config.allowed_hosts),
            ),
            card=lambda: Card(assembly.bridge),
        )

        def tell(bound: int) -> None:
            origin = f"http://{host}:{bound}"
            out.print(Text(texts.mcp_at(origin, config.where)))
            out.print(Text(texts.console_at(origin)))
            if config.rules.provider:
                out.print(Text(texts.aap_at(origin)))

        await serve_http(assembly.bridge, options, on_ready=tell)


def exposed(host: str, config: Config) -> list[str]:
    """What the owner should know before strangers can reach this address, and of clients that cannot come."""
    problems = [f"{key}: {reason}" for key, reason in config.lacking.items() if key.startswith("clients.")]
    if host != "localhost" and not is_loopback(host):
        problems.append(texts.not_private(host))
    return problems


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone; a name is not known to be."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def until_stopped() -> None:
    """Wait for SIGTERM, SIGINT or SIGHUP."""
    from asyncio import Event

    from bridge_mcp.server.stdio.lifetime import stop_on_signals

    stopped = Event()
    with stop_on_signals(stopped):
        await stopped.wait()


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, :PORT or PORT; this machine alone if no host is named.

    Raises:
        BadInput: it is none of these.
    """
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise BadInput(f"--http: '{text}' is not an address.", fix="Write HOST:PORT, for example 127.0.0.1:8765.")
    return host.strip("[]") or "127.0.0.1", int(port)
