"""What the commands say that serve: plain stdio, serve, gate, console."""

from __future__ import annotations

from collections.abc import Sequence

HELP = """\
Connects AI agents to chats, gives them tools, and lets people decide which calls may run.

Without a command it serves MCP over standard input and output, as hosts start it; `--config`, `--scopes` and
`--log-level` go with that.
"""


def too_many_words(words: Sequence[str]) -> str:
    return f"Too many words: {' '.join(words)}. A text of several words goes into quotes."


AT_A_TERMINAL = """\
bridge-mcp speaks MCP here: a host starts it and talks to it over standard input. Ctrl-D ends it.
To chat in this terminal: bridge-mcp chat. To see what it does: bridge-mcp demo. All commands: bridge-mcp --help.
"""

# -- serve ---------------------------------------------------------------------------------------------------


def up(settings: str) -> str:
    return f"The bridge is up ({settings}). Ctrl-C ends it."


def mcp_at(origin: str, settings: str) -> str:
    return f"MCP is served on {origin}/mcp ({settings}). Ctrl-C ends it."


def console_at(origin: str) -> str:
    return f"The console is at {origin}/console, for clients with a token."


def aap_at(origin: str) -> str:
    return f"Approvals for other agents (AAP) are served on {origin}/aap."


def not_private(host: str) -> str:
    return (
        f"{host} can be reached from other machines, and tokens go over the network in clear. Put a reverse proxy "
        "with TLS in front, listen on 127.0.0.1 behind it, and name it in allowed_hosts of [http]."
    )


# -- console -------------------------------------------------------------------------------------------------

BROWSER_STAYS_SHUT = "If it does not: bridge-mcp console --no-open"


def open_once(link: str) -> str:
    return f"Open this once, within a minute: {link}"


def opens_in_browser(address: str) -> str:
    return f"The console opens in your browser: {address}. Ctrl-C ends it."
