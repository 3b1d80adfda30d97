"""The engine's lane for voice messages: each is transcribed once it is in the log, whoever answers its chat.

It follows the feed from where it stood. A crash in the middle repeats one request at most; what came of it is recorded
once per message. Where transcription was switched on just now, older messages stay as they are. Where the day's budget
is spent, nothing is asked, and the message says so.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from bridge_mcp.core.entries import Attachment, Heard, Transcribed, Usage
from bridge_mcp.core.errors import BridgeError, Unreadable
from bridge_mcp.core.events import Event
from bridge_mcp.core.hearing import has_speech, transcribed_text, untranscribed_text
from bridge_mcp.core.json_reader import whole_characters
from bridge_mcp.operations.addresses import parse_message
from bridge_mcp.operations.feed_reader import follow_feed
from bridge_mcp.ports import Store, Transcriber

__all__ = ["TranscriptionWorker"]

logger = logging.getLogger(__name__)

READER = "bridge transcription"
AT_ONCE = 4
FILES = 4
"""Audio files of one message that are transcribed."""

Fetch = Callable[[str, Attachment], Awaitable[bytes]]
Spent = Callable[[str], Awaitable[str]]
"""Which of the day's caps on models a conversation has reached, in words; "" for none."""


class TranscriptionWorker:
    """Transcribes what comes in."""

    def __init__(self, store: Store, transcriber: Transcriber, fetch: Fetch, spent: Spent) -> None:
        self._store = store
        self._spent = spent
        self._transcriber = transcriber
        self._fetch = fetch

    async def run(self) -> None:
        """Until cancelled."""
        await follow_feed(self._store, READER, ("message.received",), self._hear, from_now=True, at_once=AT_ONCE)

    async def _hear(self, event: Event) -> None:
        """Transcribe the voice message that came in, if it is one, and record what came of it."""
        if not event.body.get("attachments"):
            return
        conversation, seq = parse_message(str(event.body.get("message", "")))
        try:
            logged = await self._store.log.entry(conversation, seq)
        except Unreadable as exc:
            logger.error("a voice message cannot be read: %s", exc)
            return
        heard = logged.entry if logged else None
        if not isinstance(heard, Heard) or not has_speech(heard):
            return
        if await self._store.log.find(conversation, f"transcribed:{seq}") is not None:
            return
        await self._store.log.record(conversation, await self._outcome(conversation, seq, heard))

    async def _outcome(self, conversation: str, seq: int, heard: Heard) -> Transcribed:
        """What came of it: the message's text from now on."""
        words: list[str] = []
        usage, model = Usage(), self._transcriber.model
        if reason := await self._spent(conversation):
            return Transcribed(seq, untranscribed_text(heard.text, reason), model, failed=reason)
        try:
            for file in [f for f in heard.attachments if f.kind == "audio" and not f.quoted][:FILES]:
                most = self._transcriber.max_bytes
                data = await self._fetch(conversation, file) if (file.size or 0) <= most else None
                if data is None or len(data) > most:
                    reason = f"the file is larger than {most / 1e6:,.0f} MB"
                    return Transcribed(seq, untranscribed_text(heard.text, reason), model, failed=reason)
                transcript = await self._transcriber.transcribe(data, name=file.name, mime=file.mime)
                words.append(transcript.text)
                usage = transcript.usage if len(words) == 1 else add_usage(usage, transcript.usage)
        except BridgeError as exc:
            reason = whole_characters(str(exc))[:300]
            logger.warning("a voice message in %s could not be transcribed: %s", conversation, reason)
            return Transcribed(
                seq, untranscribed_text(heard.text, reason), model, failed=reason, usage=usage, calls=len(words)
            )
        text = transcribed_text(heard.text, whole_characters("\n".join(word for word in words if word)))
        return Transcribed(seq, text, model, usage=usage, calls=len(words))


def add_usage(first: Usage, second: Usage) -> Usage:
    """What two requests took together; the cost is known where both are."""
    priced = first.cost_usd is not None and second.cost_usd is not None
    return Usage(
        first.input_tokens + second.input_tokens,
        first.output_tokens + second.output_tokens,
        cost_usd=(first.cost_usd or 0.0) + (second.cost_usd or 0.0) if priced else None,
        latency_s=first.latency_s + second.latency_s,
    )
