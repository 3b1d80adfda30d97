"""Changed instructions of tool servers: they become part of prompts once the owner accepts them.

Any process may record that; the engine applies it when it reconnects the server, which is requested too.
"""

from __future__ import annotations

import hashlib

from bridge_mcp.core.errors import BadInput, NotFound
from bridge_mcp.core.prompt_context import MAX_INSTRUCTIONS
from bridge_mcp.core.results import InstructionChange
from bridge_mcp.core.safe_text import visible
from bridge_mcp.operations import status_board
from bridge_mcp.ports import Clock, Store, instructions_of

__all__ = ["changes", "trust"]


async def changes(store: Store) -> tuple[InstructionChange, ...]:
    """The servers whose instructions differ from the trusted ones, as the engine last published them."""
    changed: list[InstructionChange] = []
    for server in (await status_board.tools(store)).servers:
        if server.instructions == "changed":
            trusted = (await store.tool_pins.load(instructions_of(server.name))).get("text")
            before = trusted if isinstance(trusted, str) else ""
            changed.append(InstructionChange(server.name, before, server.says, code=code_of(server.says)))
    return tuple(changed)


def code_of(text: str) -> str:
    """What stands for a text, so that this one is accepted and no later one."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


async def trust(store: Store, clock: Clock, server: str, code: str) -> str:
    """Trust a server's current instructions, for system prompts; returns a text for people.

    Without the `code` the text shows them, and their code, which is a hash of them.

    Raises:
        BadInput: the code is that of another text.
        NotFound: no server of this name has instructions that differ from the trusted ones.
    """
    change = next((candidate for candidate in await changes(store) if candidate.server == server), None)
    if change is None:
        raise NotFound(
            f"There is no tool server '{server[:40]}' whose instructions have changed.",
            fix="See which are used: list_tools, or bridge-mcp servers list.",
        )
    if not code:
        excerpt = visible(change.now[:MAX_INSTRUCTIONS], lines=True)
        return f"The tool server {server} says now:\n\n{excerpt}\n\nThe code of this text, to accept it: {change.code}"
    if code != change.code:
        raise BadInput("This code stands for another text.", fix="Look at what the server says now.")
    pins, subject = store.tool_pins, instructions_of(server)
    await pins.keep(subject, {**await pins.load(subject), "text": change.now})
    await status_board.ask_reload(store, clock.now())
    return f"The assistant is told what {server} says now. Tool servers are connected again."
