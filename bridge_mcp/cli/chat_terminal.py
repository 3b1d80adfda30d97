"""`chat` on a terminal: a line to edit below what happens, the reply as it grows, and y or n for a call that waits."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import contextmanager, nullcontext
from typing import TextIO, cast

import anyio
import anyio.abc
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input import Input, create_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.patch_stdout import patch_stdout
from rich.text import Text

from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.chat import Chat
from bridge_mcp.cli.chat_history import ChatHistory
from bridge_mcp.cli.common import OWNER
from bridge_mcp.cli.output import console, drawn
from bridge_mcp.cli.texts import ERROR
from bridge_mcp.cli.texts import chats as texts
from bridge_mcp.core.chat_texts import NOTHING_TO_STOP
from bridge_mcp.core.errors import BadInput, BridgeError
from bridge_mcp.core.events import Event
from bridge_mcp.core.face_words import AS_COMMANDS, in_words
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.safe_text import visible
from bridge_mcp.operations.addresses import parse_conversation
from bridge_mcp.operations.commands import COMMANDS
from bridge_mcp.redaction import Redactor

__all__ = ["TerminalChat"]

LOOK_S = 0.1
"""How often the growing reply is looked at."""
SEEN_S = 1.0
"""How long a call has to stand on the screen before a `y` can mean it."""
SHARE = 3
"""The growing reply takes at most one of so many lines of the screen; all of it stands there once it is whole."""

YES, NO = ("y", "yes"), ("n", "no")


class TerminalChat(Chat):
    """One conversation at a time, at one terminal."""

    echoes = False

    def __init__(self, assembly: Assembly, conversation: str) -> None:
        super().__init__(assembly, conversation)
        self._asked: dict[str, tuple[Approval, float]] = {}
        """By id: the calls that wait and are shown, the oldest first, and since when (monotonic)."""
        self._draft = ""
        self._leaving = False
        """Whether the next Ctrl-C leaves."""
        self._tasks: anyio.abc.TaskGroup | None = None
        redactor = Redactor(assembly.config.secrets)
        self._input = steady_input()
        self._session: PromptSession[str] = PromptSession(
            self._prompt,
            input=self._input,
            history=ChatHistory(assembly.config.state_dir, redactor),
            completer=ChatCompleter(self),
            complete_while_typing=False,
            enable_history_search=True,
            enable_open_in_editor=True,
            key_bindings=self._keys(),
        )

    async def run(self) -> None:
        """Until Ctrl-D, or a second Ctrl-C."""
        with self._input.raw_mode(), patch_stdout(raw=True), logs_above():
            self.out = console()
            cursor = (await self.bridge.get_status(OWNER)).event_cursor
            await self.show_past()
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                tasks.start_soon(self.follow, cursor)
                tasks.start_soon(self._follow_draft)
                async for line in self._lines():
                    tasks.start_soon(self._take, line)
                tasks.cancel_scope.cancel()

    async def _lines(self) -> AsyncGenerator[str]:
        while True:
            try:
                line = await self._session.prompt_async()
            except (EOFError, KeyboardInterrupt):
                return
            self._leaving = False
            if line.strip() == "/quit":
                return
            if line.strip():
                yield line

    async def _take(self, line: str) -> None:
        """Do what a line says: a verdict, a command of this terminal, or something to say."""
        word = line.strip().lower()
        try:
            if self._asked and word in (*YES, *NO):
                await self._decide(word in YES)
            elif line.split()[0] == "/open":
                await self._open(line.strip().partition(" ")[2].strip())
            else:
                await self.say(line)
                if word in ("/help", "/start"):
                    self.show(Text("\n".join(own_commands()), "dim"))
        except BridgeError as exc:
            self.show(Text(f"{ERROR}{visible(in_words(exc, AS_COMMANDS))}", "red"))

    @property
    def how(self) -> str:
        """See `Chat.how`."""
        return texts.BY_KEY if self.decides else super().how

    # -- verdicts ---------------------------------------------------------------------------------------------

    @property
    def _question(self) -> Approval | None:
        """The call that a `y` would mean."""
        return next((approval for approval, _ in self._asked.values()), None)

    def asks(self, approval: Approval) -> None:
        """See `Chat.asks`."""
        super().asks(approval)
        if self.decides:
            self._asked.setdefault(approval.id, (approval, time.monotonic()))
            self._redraw()

    async def event(self, event: Event) -> None:
        """See `Chat.event`."""
        if event.type in ("approval.decided", "tool.finished"):
            self._asked.pop(str(event.body["approval"]), None)
        if event.conversation == self.conversation and event.type in ("turn.finished", "turn.stopped"):
            self._draft = ""
        await super().event(event)
        self._redraw()

    async def _decide(self, yes: bool) -> None:
        approval, since = next(iter(self._asked.values()))
        if time.monotonic() - since < SEEN_S:
            raise BadInput("That call has only just been asked.", fix="Read it, and write y or n once more.")
        self._asked.pop(approval.id)
        self._redraw()
        if yes:
            await self.bridge.approve_call(OWNER, approval.id, digest=approval.digest)
        else:
            await self.bridge.reject_call(OWNER, approval.id)

    # -- conversations ----------------------------------------------------------------------------------------

    async def _open(self, conversation: str) -> None:
        """Go to another conversation of a local channel."""
        if not conversation:
            names = await self.conversations()
            self.show(Text("\n".join(map(visible, names)) or texts.NO_CONVERSATION))
            return
        channel = parse_conversation(conversation).channel
        traits = self.bridge.traits.get(channel)
        if traits is None or not traits.delivered_by_commit:
            local = ", ".join(name for name, t in self.bridge.traits.items() if t.delivered_by_commit)
            raise BadInput(
                f"{channel} is no local channel.", fix=f"Local channels: {local}. See all: bridge-mcp conversations"
            )
        self.go_to(conversation)
        self._asked.clear()
        self._draft = ""
        await self.show_past()

    async def conversations(self) -> list[str]:
        """The conversations that can be opened here, the most recent first."""
        local = [name for name, traits in self.bridge.traits.items() if traits.delivered_by_commit]
        pages = [await self.bridge.list_conversations(OWNER, channel=name, limit=100) for name in local]
        return [conversation.id for page in pages for conversation in page.conversations]

    @property
    def asked_ids(self) -> list[str]:
        """The calls that wait and are shown."""
        return list(self._asked)

    # -- keys -------------------------------------------------------------------------------------------------

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("escape", "enter")
        def new_line(event: KeyPressEvent) -> None:  # pyright: ignore[reportUnusedFunction]
            event.current_buffer.insert_text("\n")

        @keys.add("c-c")
        @keys.add("<sigint>")
        def interrupt(event: KeyPressEvent) -> None:  # pyright: ignore[reportUnusedFunction]
            if self._leaving or self._tasks is None:
                event.app.exit(exception=KeyboardInterrupt, style="class:aborting")
                return
            self._leaving = True
            event.current_buffer.reset()
            self._tasks.start_soon(self._stop)

        return keys

    async def _stop(self) -> None:
        """Stop the answer that is under way."""
        try:
            answer = await self.bridge.run_command(OWNER, self.conversation, "/stop")
            if answer != NOTHING_TO_STOP:
                self.show(Text(answer, "yellow"))
        except BridgeError as exc:
            self.show(Text(f"{ERROR}{visible(in_words(exc, AS_COMMANDS))}", "red"))

    # -- the prompt -------------------------------------------------------------------------------------------

    def _prompt(self) -> StyleAndTextTuples:
        """What stands above and before the line that is typed."""
        sign = drawn("› ", "> ")
        if get_app().is_done:  # what stays on the screen is what was said
            return [("", sign)]
        fragments: StyleAndTextTuples = [("", f"{line}\n") for line in self._growing()]
        if self._leaving:
            fragments.append(("ansiyellow", f"{texts.ONCE_MORE}\n"))
        if (question := self._question) is not None:
            name = visible(question.tool)
            fragments.append(("bold ansiyellow", texts.run_it(fitting(name))))
        return [*fragments, ("", sign)]

    def _growing(self) -> list[str]:
        """The end of the reply that grows, in lines that fit."""
        if not self._draft:
            return []
        size = shutil.get_terminal_size()
        draft = visible(self._draft[-size.columns * size.lines :], lines=True)
        wrapped = [
            line.plain.rstrip() for part in Text(draft).split("\n") for line in part.wrap(self.out, size.columns - 2)
        ]
        return [f"  {line}" for line in wrapped[-max(3, size.lines // SHARE) :]]

    async def _follow_draft(self) -> None:
        while True:
            found = self.bridge.draft(OWNER, self.conversation)
            draft = "" if found is None else found.text
            if draft != self._draft:
                self._draft = draft
                self._redraw()
            await anyio.sleep(LOOK_S)

    def _redraw(self) -> None:
        self._session.app.invalidate()


class ChatCompleter(Completer):
    """Completes commands, conversations behind `/open`, and calls that wait behind `/approve` and `/reject`."""

    def __init__(self, chat: TerminalChat) -> None:
        self._chat = chat

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Those that need no look at the store."""
        first, blank, rest = document.text_before_cursor.partition(" ")
        if not blank and first.startswith("/"):
            descriptions = {f"/{name}": command.about for name, command in COMMANDS.items()}
            descriptions |= texts.OWN_COMMANDS
            for name, description in descriptions.items():
                if name.startswith(first.lower()):
                    yield Completion(name, -len(first), display_meta=description)
        elif first in ("/approve", "/reject"):
            yield from completions(rest, self._chat.asked_ids)

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion]:
        """All of them."""
        first, blank, rest = document.text_before_cursor.partition(" ")
        if first == "/open" and blank:
            for completion in completions(rest, await self._chat.conversations()):
                yield completion
            return
        for completion in self.get_completions(document, complete_event):
            yield completion


def own_commands() -> list[str]:
    """A line for each command of this terminal alone."""
    takes = {"/open": f" {texts.OPEN_WHAT}"}
    return [f"{name}{takes.get(name, '')} - {about}" for name, about in texts.OWN_COMMANDS.items()]


def completions(begun: str, names: list[str]) -> Iterator[Completion]:
    for name in names:
        if name.startswith(begun):
            yield Completion(name, -len(begun), display=visible(name))


def fitting(text: str) -> str:
    """A name, cut where there would be no room to type behind it: all of it stands above."""
    room = max(10, shutil.get_terminal_size().columns - 22)
    return text if len(text) <= room else f"{text[: room - 1]}…"


def steady_input() -> Input:
    """The terminal's input, which stays as it is while something is printed.

    prompt_toolkit gives the terminal back to line editing for each print, and a Ctrl-D of just then would be lost.
    """
    terminal = create_input()
    terminal.cooked_mode = nullcontext
    return terminal


@contextmanager
def logs_above() -> Generator[None]:
    """Have log lines stand above the prompt, as all else does."""
    handlers = cast(
        "list[logging.StreamHandler[TextIO]]",
        [h for h in logging.getLogger().handlers if isinstance(h, logging.StreamHandler)],
    )
    before = [(handler, handler.setStream(sys.stderr)) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in before:
            if stream is not None:
                handler.setStream(stream)
