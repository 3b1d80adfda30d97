"""The command `forget`: a conversation or a person, for good."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.common import USUAL, Common, with_bridge
from bridge_mcp.cli.output import console
from bridge_mcp.cli.texts import keeping as texts
from bridge_mcp.core.address import Address
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.safe_text import visible
from bridge_mcp.operations.clocks import WallClock
from bridge_mcp.operations.forgetting import Keepers, forget, go_on
from bridge_mcp.ports import ToForget
from bridge_mcp.service import OWNER

__all__ = ["forget_command"]


def forget_command(
    conversation: str = "",
    /,
    *,
    person: str = "",
    yes: Annotated[bool, Parameter(negative="")] = False,
    common: Common = USUAL,
) -> int:
    """Forget a conversation, or a person, for good: nothing of it is found in the store any more.

    What is under way there is ended first. With a chat of a terminal go the lines that `chat` keeps for the arrow keys.
    The log still verifies, and tells who forgot what, and when. The bridge may run meanwhile; its writes wait while the
    store is written anew. Without anything named: go on with what was begun.

    Parameters
    ----------
    conversation
        channel/chat, as `bridge-mcp status` shows it.
    person
        CHANNEL/ID of a person: their chats, their messages in all others, their pairing and their grants.
    yes
        Do it: there is no way back.
    """
    if conversation and person:
        raise BadInput("One of the two.", fix="bridge-mcp forget CONVERSATION, or forget --person CHANNEL/ID.")
    request = ToForget("person" if person else "conversation", person or conversation, OWNER.name)

    async def body(assembly: Assembly) -> int:
        err = console(stderr=True)
        keepers = Keepers(assembly.store, assembly.files, assembly.drafts, clock=WallClock())
        with err.status(texts.FORGETTING) as line:

            def progress(subject: str) -> None:
                line.update(texts.forgetting(visible(subject)))

            if typed_in_terminals(assembly, request.subject):
                from bridge_mcp.cli.chat_history import clear_chat_history

                clear_chat_history(assembly.config.state_dir)
            whole = await (forget(keepers, request, progress) if request.subject else go_on(keepers, progress))
        if not whole:
            err.print(Text(f"! {texts.STILL_THERE}", "yellow"))
            err.print(texts.GO_ON)
            return 1
        console().print(texts.forgotten(visible(request.subject) or texts.WHAT_WAS_BEGUN))
        return 0

    if request.subject and not yes:
        raise BadInput(f"'{request.subject}' would be forgotten for good.", fix="Add --yes to do it.")
    return with_bridge(common, body)


def typed_in_terminals(assembly: Assembly, subject: str) -> bool:
    """Whether what is forgotten may stand among the lines that `chat` keeps for the arrow keys."""
    section = assembly.config.channels.get(Address.of(subject).channel)
    return section is not None and section.plug.name == "local"
