"""What tool servers say of the use of their tools: a text that has changed stands in prompts once an owner accepts it.

Any process may write that down; the engine looks at it when it connects the server again, which is asked for then.
"""

from __future__ import annotations

import hashlib

from bridge_mcp.core.errors import BadInput, NotFound
from bridge_mcp.core.prompt_context import MAX_INSTRUCTIONS
from bridge_mcp.core.safe_text import visible
from bridge_mcp.operations import status_board
from bridge_mcp.ports import Clock, Store, instructions_of

__all__ = ["trust"]


async def trust(store: Store, clock: Clock, server: str, code: str) -> str:
    """Let the instructions that a server gives now stand in system prompts; what was done, in words.

    Without the `code` they are shown, and the code, which stands for this very text.

    Raises:
        BadInput: the code is another text's.
        NotFound: no such server has other instructions than those that are trusted.
    """
    listed = await status_board.tools(store)
    found = next((each for each in listed.servers if each.name == server and each.instructions == "changed"), None)
    if found is None:
        raise NotFound(
            f"There is no tool server '{server[:40]}' whose instructions have changed.",
            fix="See which are used: list_tools, or bridge-mcp servers list.",
        )
    wanted = hashlib.sha256(found.says.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    if not code:
        shown = visible(found.says[:MAX_INSTRUCTIONS], lines=True)
        return f"The tool server {server} says now:\n\n{shown}\n\nThe code of this text, to accept it: {wanted}"
    if code != wanted:
        raise BadInput("This code stands for another text.", fix="Look at what the server says now.")
    pins, subject = store.tool_pins, instructions_of(server)
    await pins.keep(subject, {**await pins.load(subject), "text": found.says})
    await status_board.ask_reload(store, clock.now())
    return f"The assistant is told what {server} says now. Tool servers are connected again."
