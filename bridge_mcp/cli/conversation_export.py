"""The command `export`: one conversation as a file for people or programs, page by page."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator
from typing import Literal

from bridge_mcp.assembly import Assembly
from bridge_mcp.cli.common import USUAL, Common, with_bridge
from bridge_mcp.cli.output import dumped
from bridge_mcp.cli.texts import chats as texts
from bridge_mcp.core.entries import (
    Asked,
    Cleared,
    Edited,
    Finished,
    Forgot,
    Heard,
    Judged,
    Logged,
    Posted,
    Replied,
    Requested,
    Revised,
    Sender,
    Stopped,
)
from bridge_mcp.core.forgetting import files_of
from bridge_mcp.core.safe_text import escape_markdown, escaped, visible
from bridge_mcp.core.unreadable import UnreadableEntry
from bridge_mcp.service import OWNER

__all__ = ["export"]


def export(conversation: str, /, *, format: Literal["json", "markdown"] = "markdown", common: Common = USUAL) -> int:
    """Print a whole conversation: as Markdown for people, or as JSON with every entry of its log.

    Parameters
    ----------
    conversation
        channel/chat, as `bridge-mcp status` shows it.
    format
        json or markdown. In Markdown, characters that hide or turn others are made visible.
    """

    async def body(assembly: Assembly) -> None:
        entries = pages(assembly, conversation)
        first = await anext(entries)  # before anything is printed: there may be no such conversation
        if format == "json":
            await as_json(conversation, first, entries)
        else:
            await as_markdown(conversation, first, entries)

    return with_bridge(common, body)


async def pages(assembly: Assembly, conversation: str) -> AsyncIterator[Logged | UnreadableEntry]:
    """The entries of a log, a page in memory at a time."""
    page = await assembly.bridge.read_log(OWNER, conversation)
    while page:
        for logged in page:
            yield logged
        page = await assembly.bridge.read_log(OWNER, conversation, after=page[-1].seq)


async def as_json(
    conversation: str, first: Logged | UnreadableEntry, rest: AsyncIterator[Logged | UnreadableEntry]
) -> None:
    """One JSON object, its entries in order."""
    out = sys.stdout
    head = {"conversation": conversation, "exported_at": time.time()}
    out.write(f'{escaped(json.dumps(head))[:-1]}, "entries": [\n{entry_json(first)}')
    async for logged in rest:
        out.write(f",\n{entry_json(logged)}")
    out.write("\n]}\n")


def entry_json(logged: Logged | UnreadableEntry) -> str:
    """One entry as JSON; characters that hide or turn others are escaped, which changes no value."""
    if isinstance(logged, UnreadableEntry):
        return escaped(json.dumps(dumped(logged)))
    whole = {"seq": logged.seq, "at": logged.at, "kind": type(logged.entry).__name__, "entry": logged.entry}
    return escaped(json.dumps(dumped(whole), ensure_ascii=not sys.stdout.encoding.lower().startswith("utf")))


async def as_markdown(
    conversation: str, first: Logged | UnreadableEntry, rest: AsyncIterator[Logged | UnreadableEntry]
) -> None:
    """Messages, calls and what people decided; intents, deliveries and settings are left out."""
    out = sys.stdout
    out.write(f"# {escape_markdown(conversation)}\n")
    for text in paragraphs(first):
        out.write(text)
    async for logged in rest:
        for text in paragraphs(logged):
            out.write(text)


def paragraphs(logged: Logged | UnreadableEntry) -> tuple[str, ...]:
    """What an entry tells people."""
    if isinstance(logged, UnreadableEntry):
        return (f"\n*{texts.unreadable(logged.seq, escape_markdown(logged.why))}*\n",)
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(logged.at))
    files = "".join(f"\n- {texts.file(escape_markdown(file.name or file.kind))}\n" for file in files_of(logged.entry))
    match logged.entry:
        case Heard() as e:
            return (said(person(e.sender), at, e.text), files)
        case Posted() as e:
            return (said(person(e.by), at, e.text), files)
        case Replied() as e:
            calls = "".join(fenced(texts.calls(call.tool), call.arguments) for call in e.calls)
            silent = f"\n**assistant** · {at}\n"
            return (said(e.model or "assistant", at, e.text) if e.text else silent, calls)
        case Requested() as e:
            asks = [fenced(texts.calls(call.tool), call.arguments) for call in e.calls]
            return (f"\n**{escape_markdown(e.by)}** · {at}\n", *asks)
        case Edited() | Revised() as e:
            return (said(texts.now_says(e.message), at, e.text),)
        case _:
            return told(logged.entry, at)


def told(entry: object, at: str) -> tuple[str, ...]:
    """What an entry of a call, or of the conversation itself, tells people."""
    match entry:
        case Asked() as e:
            return (f"\n*{at}: {texts.waits_for_verdict(escape_markdown(e.tool), escape_markdown(e.reason))}*\n",)
        case Judged() as e:
            verdict = texts.verdict(e.verdict, by=escape_markdown(e.by), note=escape_markdown(e.note))
            return (f"\n*{at}: {verdict}*\n",)
        case Finished() as e:
            return (fenced(f"{e.tool or texts.THE_CALL}: {e.outcome}", e.content),)
        case Stopped() as e:
            return (f"\n*{at}: {texts.stopped(escape_markdown(e.by), escape_markdown(e.reason))}*\n",)
        case Cleared() as e:
            return (f"\n*{at}: {texts.cleared(escape_markdown(e.by))}*\n",)
        case Forgot() as e:
            return (f"\n*{at}: {texts.forgot(escape_markdown(e.by))}*\n",)
        case _:
            return ()


def person(sender: Sender) -> str:
    return sender.name or sender.id or texts.SOMEBODY


def said(who: str, at: str, text: str) -> str:
    """A message as a quotation: nothing in it can end it, or pass for a heading of ours."""
    lines = visible(text, lines=True).split("\n")
    return f"\n**{escape_markdown(who)}** · {at}\n\n" + "".join(f"> {line}\n" for line in lines)


def fenced(head: str, text: str) -> str:
    """A text as code, whole, with a fence that does not stand in it."""
    code, fence = visible(text, lines=True), "```"
    while fence in code:
        fence += "`"
    return f"\n*{escape_markdown(head)}*\n\n{fence}\n{code}\n{fence}\n"
