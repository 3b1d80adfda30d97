"""The command `chat`: a conversation of a local channel in the terminal, beside a running engine or as the engine."""

from __future__ import annotations

import asyncio
import codecs
import math
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
from rich.console import Console, Group
from rich.text import Text

from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.answers import nobody_answers
from bridge_mcp.cli.approvals import approval_view
from bridge_mcp.cli.common import OWNER, USUAL, Common, with_bridge
from bridge_mcp.cli.lines import event_words
from bridge_mcp.cli.messages import no_verdict
from bridge_mcp.cli.output import Hanging, clock, console, indented
from bridge_mcp.cli.texts import ERROR
from bridge_mcp.cli.texts import chats as texts
from bridge_mcp.core.errors import BadInput, BridgeError
from bridge_mcp.core.events import Event
from bridge_mcp.core.face_words import AS_COMMANDS, in_words
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.safe_text import visible
from bridge_mcp.operations.addresses import join
from bridge_mcp.operations.owners_chat import MAIN
from bridge_mcp.service import MAX_WAIT_S

__all__ = ["chat"]

SHOWN = 10
SETTLE_S = 120.0
"""How long the end of input waits for the answer to what was said before it."""


def chat(conversation: str = "", /, *, common: Common = USUAL) -> int:
    """Chat in this terminal. /help lists the commands; Ctrl-C stops an answer, Ctrl-D ends it.

    Tab completes commands and conversations, the arrow keys bring back what was said, Alt-Enter begins a new line.
    A call that waits is shown whole, and y or n decides it.

    Parameters
    ----------
    conversation
        CHANNEL/NAME on a local channel; without it, the main one.
    """

    async def body(assembly: Assembly) -> None:
        place = conversation or main_of(assembly)
        if sys.stdin.isatty() and sys.stdout.isatty():
            from bridge_mcp.cli.chat_terminal import TerminalChat

            await TerminalChat(assembly, place).run()
        else:
            await PipedChat(assembly, place).run()

    return with_bridge(common, body, engine="now")


def main_of(assembly: Assembly) -> str:
    """The main conversation of the first local channel.

    Raises:
        BadInput: there is no local channel.
    """
    for name, channel in assembly.bridge.traits.items():
        if channel.type == "local":
            return join(name, MAIN)
    raise BadInput("There is no local channel to chat on.", fix='Add one: [channels.local] with type = "local".')


class Chat:
    """What happens in one conversation, as it is shown to whoever speaks there."""

    echoes = True
    """Whether what was said here is shown again, since nobody typed it on the same screen."""

    def __init__(self, assembly: Assembly, conversation: str) -> None:
        self.assembly = assembly
        self.bridge = assembly.bridge
        self.conversation = conversation
        self.routed = False
        """Whether approvals of other conversations are to be shown here too."""
        self.decides = assembly.config.rules.cli
        """Whether verdicts are taken here."""
        self.out: Console = console()
        self._own: set[str] = set()
        self._shown = 0
        self._seen = anyio.Event()
        self._speaking = anyio.Lock()
        self.go_to(conversation)

    def go_to(self, conversation: str) -> None:
        """Be in this conversation from now on."""
        self.conversation = conversation
        self.routed = conversation in self.assembly.config.rules.places or conversation == main_of(self.assembly)

    @property
    def how(self) -> str:
        """How a call that waits is decided."""
        return texts.HERE if self.decides else texts.CLI_IS_OFF

    async def say(self, line: str) -> None:
        """Say a line; what it causes is shown as it happens.

        Raises:
            BridgeError: it cannot be said, or is a verdict and none is taken here.
        """
        no_verdict(self.assembly, line)
        async with self._speaking:
            message = await self.bridge.say(OWNER, self.conversation, line)
            self._own.add(message)
            if not line.startswith("/") and await self.bridge.list_approvals(OWNER, conversation=self.conversation):
                self.show(Text(f"  {texts.waits_first(self.how)}", "yellow"))

    async def follow(self, cursor: int) -> None:
        """Show what happens, as it happens."""
        while True:
            page = await self.bridge.wait_for_events(OWNER, after=cursor, timeout_s=MAX_WAIT_S)
            for event in page.events:
                async with self._speaking:
                    await self.event(event)
            cursor = self._shown = page.cursor
            self._seen.set()
            self._seen = anyio.Event()

    # -- what is shown ----------------------------------------------------------------------------------------

    async def show_past(self) -> None:
        """The last messages, and what waits."""
        page = await self.bridge.read_messages(OWNER, self.conversation, limit=SHOWN)
        self.show(Text(texts.begins(visible(self.conversation)), "dim"))
        await self.silence()
        for message in page.messages:
            self.message(message.author.name or message.author.id, message.text, message.at)
        await self.approvals()

    async def silence(self) -> None:
        """Say who answers, where that is not the assistant: the first chat must not end in waiting for nobody."""
        if reason := await nobody_answers(self.assembly, self.conversation):
            self.show(Text(" ".join(reason), "yellow"))

    async def event(self, event: Event) -> None:
        """Show one event."""
        body, is_here = event.body, event.conversation == self.conversation
        if event.type in ("approval.requested", "approval.reviewed") and (is_here or self.routed):
            await self.approvals(str(body["approval"]))
        elif not is_here:
            return
        elif event.type == "message.received":
            sender = body["from"]
            name = str(sender.get("name") or sender.get("id")) if isinstance(sender, dict) else ""
            if self.echoes or body["message"] not in self._own:
                self.message(name, str(body["text"]), event.at)
        elif event.type in ("message.sent", "message.queued", "turn.finished") and "text" in body:
            self.message(str(body.get("by") or "assistant"), str(body["text"]), event.at)
        elif event.type == "turn.stopped" and body["text"]:
            self.message("bridge", str(body["text"]), event.at)
        elif event.type in ("tool.started", "tool.finished", "approval.decided"):
            self.show(Hanging(Text("  · ", "dim"), Text(call_words(event), "dim")))
        elif event.type in ("model.failed", "message.failed"):
            self.show(Hanging(Text("  ! ", "red"), Text(event_words(event), "red")))

    async def approvals(self, only: str = "") -> None:
        """Show the calls that wait, or the one that just came."""
        place = "" if self.routed else self.conversation
        for approval in await self.bridge.list_approvals(OWNER, conversation=place):
            if (
                only in ("", approval.id)
                and not approval.in_review
                and (not self.routed or self.conversation in approval.places)
            ):
                self.asks(approval)

    def asks(self, approval: Approval) -> None:
        """Show a call that waits, whole, and how to decide it."""
        for part, whole in approval_view(approval):
            self.show(part, whole=whole)
        if self.decides:
            self.show(Text(f"  {texts.decide_it(approval.id)}", "yellow"))
        else:
            self.show(Text(f"  {texts.CLI_IS_OFF}", "yellow"))

    def message(self, name: str, text: str, at: float) -> None:
        head = Text(f"{clock(at)}  ", "dim")
        head.append(visible(name), "bold green" if name == OWNER.name else "bold cyan")
        self.show(head)
        self.show(indented(Text(visible(text, lines=True))))

    def show(self, block: Text | Group | Hanging, *, whole: bool = False) -> None:
        """Print; `whole` leaves the breaking of lines to the terminal."""
        self.out.print(block, soft_wrap=whole or None)


class PipedChat(Chat):
    """A chat that a script has: it says one thing after the other, and wants to see the last answer."""

    async def run(self) -> None:
        """Until the input ends."""
        cursor = self._shown = (await self.bridge.get_status(OWNER)).event_cursor
        await self.show_past()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.follow, cursor)
            async for line in lines():
                if line.strip():
                    await self.say(line)
                await self.settle()
            tasks.cancel_scope.cancel()

    async def say(self, line: str) -> None:
        """See `Chat.say`; what cannot be said is told, and the next line follows."""
        try:
            await super().say(line)
        except BridgeError as exc:
            self.show(Text(f"{ERROR}{visible(in_words(exc, AS_COMMANDS))}", "red"))

    async def settle(self) -> None:
        """Wait until all is shown, and nothing is left to do here but by people."""
        with anyio.move_on_after(SETTLE_S):
            while True:
                events_seen = self._seen  # taken before looking, so that nothing that comes meanwhile is missed
                if (await self.bridge.get_conversation(OWNER, self.conversation)).step in ("Idle", "Wait"):
                    news = await self.bridge.wait_for_events(
                        OWNER, after=self._shown, conversation=self.conversation, limit=1
                    )
                    if not news.events:
                        return
                await events_seen.wait()


def call_words(event: Event) -> str:
    """What became of a call, in a few words: it was shown whole before, if it was asked about."""
    tool = visible(str(event.body.get("tool", "")))
    match event.type:
        case "tool.started":
            return texts.runs(tool, visible(str(event.body["cleared_by"])))
        case "tool.finished":
            return f"{tool}: {visible(str(event.body['outcome']))}"
        case _:
            return event_words(event)


async def lines() -> AsyncIterator[str]:
    """Lines of standard input, to its end.

    The thread that reads is a daemon, since nothing can wake it; it reads the descriptor itself, because at exit Python
    waits for whoever holds the lock of `sys.stdin`.
    """
    loop = asyncio.get_running_loop()
    sender, receiver = anyio.create_memory_object_stream[str](math.inf)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read() -> None:
        unfinished = ""
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            while data := os.read(0, 65_536):
                *whole, unfinished = (unfinished + decoder.decode(data)).split("\n")
                for line in whole:
                    loop.call_soon_threadsafe(sender.send_nowait, line)
            if unfinished:
                loop.call_soon_threadsafe(sender.send_nowait, unfinished)
            loop.call_soon_threadsafe(sender.close)

    threading.Thread(target=read, name="bridge-chat-input", daemon=True).start()
    with receiver:
        async for line in receiver:
            yield line
