"""Commands that write messages and show what happens: send, say, events, log."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.answers import answered, somebody_answers
from bridge_mcp.cli.common import OWNER, USUAL, Common, Json, JsonLines, engine_runs, with_bridge
from bridge_mcp.cli.lines import entry_line, event_line, forgotten_words
from bridge_mcp.cli.output import clock, console, print_json, progress
from bridge_mcp.cli.texts import NO_ENGINE
from bridge_mcp.cli.texts import chats as texts
from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import Forgot
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.results import Sent
from bridge_mcp.core.safe_text import visible
from bridge_mcp.core.unreadable import UnreadableEntry
from bridge_mcp.operations.commands import is_verdict

__all__ = ["events", "log", "say", "send"]

NEW = Parameter(negative="", help="Begin a conversation whose name is nearly that of another one.")
PAGE = 200
LATEST = 20
WAIT_S = 50.0


def send(
    conversation: str,
    text: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    reply_to: str = "",
    silent: bool = False,
    at: str = "",
    idempotency_key: str = "",
    wait_s: float = 5.0,
    new: Annotated[bool, NEW] = False,
    json: Json = False,
    common: Common = USUAL,
) -> int:
    """Send a message to a conversation.

    Parameters
    ----------
    conversation
        channel/chat, as `bridge-mcp conversations` lists it.
    text
        What to send; `-` reads it from standard input.
    reply_to
        The platform's id of the message to reply to.
    silent
        Without a sound on the other side.
    at
        Send it then: a time with its offset, as 2026-12-24T09:00:00+01:00.
    idempotency_key
        A message with a key that was used before is not sent again.
    wait_s
        How long to wait for the platform, in seconds; without it 5.
    """

    async def body(assembly: Assembly) -> int:
        await check_conversation(assembly, conversation, new)
        sent = await assembly.bridge.send_message(
            OWNER, conversation, sys.stdin.read() if text == "-" else text,
            reply_to=reply_to, silent=silent, send_at=at, idempotency_key=idempotency_key, wait_s=wait_s,
        )  # fmt: skip
        if json:
            print_json(sent)
        else:
            tell_sent(sent, engine_runs(assembly))
        return 0 if sent.status in ("sent", "queued", "sending", "scheduled") else 1

    return with_bridge(common, body)


def tell_sent(sent: Sent, engine: bool) -> None:
    """What became of a message, for people."""
    message, reason = visible(sent.message), visible(sent.reason)
    console().print(texts.sent(sent.status, message, reason=reason, repeated=sent.repeated))
    if sent.status in ("queued", "scheduled") and not engine:
        console().print(NO_ENGINE)


def say(
    conversation: str,
    text: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    name: str = "",
    wait: Annotated[bool, Parameter(name=["--wait", "-w"])] = False,
    wait_s: float = 600.0,
    new: Annotated[bool, NEW] = False,
    json: Json = False,
    common: Common = USUAL,
) -> int:
    """Say something in a conversation of a local channel, as a person would; whoever answers there will.

    Parameters
    ----------
    conversation
        CHANNEL/NAME on a local channel.
    text
        What to say; `-` reads it from standard input. A command like /status is one here too.
    name
        Who says it, for the others; else the owner.
    wait
        Wait for the answer and print that alone; calls that wait for a verdict meanwhile are told on standard error.
    wait_s
        How long to wait at most, in seconds; without it 600.
    """

    async def body(assembly: Assembly) -> int | None:
        await check_conversation(assembly, conversation, new)
        said = sys.stdin.read() if text == "-" else text
        no_verdict(assembly, said)
        if wait:
            await somebody_answers(assembly, conversation, said)
        message = await assembly.bridge.say(OWNER, conversation, said, name=name)
        if wait:
            return await answered(assembly, conversation, message, wait_s=wait_s, json=json)
        if json:
            print_json({"message": message})
        else:
            console().print(texts.said(visible(message)))
            if not engine_runs(assembly):
                console().print(NO_ENGINE)
        return None

    return with_bridge(common, body, engine="now" if wait else "never")


def no_verdict(assembly: Assembly, text: str) -> None:
    """Let pass what is no verdict, where the owner takes none on the command line.

    Raises:
        BadInput: it is one.
    """
    if not assembly.config.rules.cli and is_verdict(text):
        raise BadInput(
            "No verdict is taken on the command line: [approvals] cli is off.", fix="An approver decides in a chat."
        )


async def check_conversation(assembly: Assembly, conversation: str, new: bool) -> None:
    """Let pass a conversation that there is, or that looks like none that there is.

    Raises:
        BadInput: it is new, and looks like a typing mistake.
    """
    channel = Address.of(conversation).channel
    if new or channel not in assembly.bridge.traits or await assembly.store.history.conversation(conversation):
        return
    conversations = (await assembly.bridge.list_conversations(OWNER, channel=channel, limit=200)).conversations
    names = [*dict.fromkeys([*(chat.id for chat in conversations), f"{channel}/main"])]
    close = get_close_matches(conversation, names, 1, 0.8)
    if close and close != [conversation] and assembly.bridge.traits[channel].delivered_by_commit:
        raise BadInput(
            f"There is no conversation '{conversation}' yet, but one '{close[0]}'.",
            fix="Write that, or begin a new one with --new.",
        )


def events(
    *,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"])] = False,
    after: int | None = None,
    type: list[str] | None = None,
    conversation: str = "",
    json: Json = False,
    common: Common = USUAL,
) -> int:
    """Show what happens in the bridge, one line each.

    Parameters
    ----------
    follow
        Stay, and show what comes.
    after
        Begin behind this cursor; 0 is the beginning. Without it: the latest 20.
    type
        Only events of this type; may stand several times.
    conversation
        Only those of this conversation.
    """

    async def body(assembly: Assembly) -> None:
        head = await assembly.store.feed.head()
        cursor = max(0, head - LATEST) if after is None else after
        shown = 0
        out = console()
        while True:
            page = await assembly.bridge.wait_for_events(
                OWNER, after=cursor, types=type or (), conversation=conversation, limit=PAGE,
                timeout_s=WAIT_S if follow and cursor >= head else 0,
            )  # fmt: skip
            if page.gap and not json:
                out.print(Text(texts.events_gone(page.first_available), "yellow"))
            shown += len(page.events)
            for event in page.events:
                if json:
                    print_json(event, indent=None)
                else:
                    out.print(event_line(event))
            cursor = max(page.cursor, cursor)
            if not follow and cursor >= head:
                if not (shown or json):
                    out.print(texts.NO_EVENT)
                return

    return with_bridge(common, body)


def log(
    conversation: str,
    /,
    *,
    after: int = -1,
    verify: bool = False,
    json: JsonLines = False,
    common: Common = USUAL,
) -> int:
    """Show the log of a conversation: who did what, when, who decided what, and what came of it.

    Parameters
    ----------
    conversation
        channel/chat, as `bridge-mcp conversations` lists it.
    after
        Only entries behind this number.
    verify
        Also check that the store agrees with the log: numbers without holes, and every row as the log has it.
    """

    async def body(assembly: Assembly) -> int:
        out = console()
        page = await assembly.bridge.read_log(OWNER, conversation, after=after)
        forgotten: list[str] = []
        while page:
            for logged in page:
                if not isinstance(logged, UnreadableEntry) and isinstance(logged.entry, Forgot):
                    told, by = forgotten_words(logged.entry), logged.entry.by
                    forgotten.append(texts.was_forgotten(told, by, clock(logged.at)))
                if json and isinstance(logged, UnreadableEntry):
                    print_json(logged, indent=None)
                elif json:
                    kind = type(logged.entry).__name__
                    whole = {"seq": logged.seq, "at": logged.at, "kind": kind, "entry": logged.entry}
                    print_json({"conversation": conversation, **whole}, indent=None)
                else:
                    out.print(entry_line(conversation, logged))
            page = await assembly.bridge.read_log(OWNER, conversation, after=page[-1].seq)
        return await check_log(assembly, conversation, forgotten) if verify else 0

    return with_bridge(common, body)


async def check_log(assembly: Assembly, conversation: str, forgotten: Sequence[str]) -> int:
    """Say whether the store agrees with the log of a conversation, and what of it is forgotten; 1 if it does not."""
    from anyio.to_thread import run_sync

    from bridge_mcp.stores.opening import verify

    err = console(stderr=True)
    with progress(err, "Verifying") as verified:
        wrong = await run_sync(verify, assembly.config.store.url, conversation, verified)
    for line in forgotten:
        err.print(visible(line))
    for line in wrong:
        err.print(Text(f"✗ {visible(line)}", "red"))
    if wrong:
        err.print(texts.REBUILD)
    else:
        err.print(Text(f"✓ {texts.LOG_IS_WHOLE}", "green"))
    return 1 if wrong else 0
