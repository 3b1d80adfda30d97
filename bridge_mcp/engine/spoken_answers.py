"""The engine's lane that speaks answers: a voice message beside the text, in channels whose owner wants that.

It follows the feed from where it stood: an answer is spoken once its text went out. A crash in the middle repeats one
request at most, and the voice message is there once. Long answers, and those of code alone, stay texts. Where it fails,
or the day's budget is spent, the text stands alone, and the chat is told once a day.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bridge_mcp.core import chat_texts
from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import Heard, Posted, Replied, message_id
from bridge_mcp.core.errors import BridgeError, Unreadable
from bridge_mcp.core.events import Event
from bridge_mcp.core.hearing import has_speech
from bridge_mcp.core.json_reader import whole_characters
from bridge_mcp.core.projections import BRIDGE
from bridge_mcp.core.speakable import speakable
from bridge_mcp.core.spending import day_of
from bridge_mcp.operations.addresses import parse_message
from bridge_mcp.operations.budget import reached_cap
from bridge_mcp.operations.feed_reader import follow_feed
from bridge_mcp.ports import ChannelTraits, Clock, Files, Rules, Speaker, Store

__all__ = ["SpokenAnswers"]

logger = logging.getLogger(__name__)

READER = "bridge speech"
AT_ONCE = 4


class SpokenAnswers:
    """Speaks what the assistant wrote."""

    def __init__(
        self,
        store: Store,
        speaker: Speaker,
        files: Files,
        rules: Rules,
        clock: Clock,
        *,
        traits: Mapping[str, ChannelTraits],
    ) -> None:
        self._store, self._speaker, self._files, self._rules, self._clock = store, speaker, files, rules, clock
        self._traits = traits

    async def run(self) -> None:
        """Until cancelled."""
        await follow_feed(self._store, READER, ("message.sent",), self._speak, from_now=True, at_once=AT_ONCE)

    async def _speak(self, event: Event) -> None:
        """Speak the message that was sent, if it is an answer that is to be spoken."""
        conversation, seq = parse_message(str(event.body.get("message", "")))
        if self._rules.channel(Address.of(conversation).channel).speak == "never":
            return
        try:
            replied = await self._entry(conversation, seq)
            if not isinstance(replied, Replied) or not await self._wanted(conversation, replied):
                return
        except Unreadable as exc:
            logger.error("an answer cannot be read: %s", exc)
            return
        text = speakable(replied.text)
        if not text or len(text) > self._speaker.max_chars:
            return
        if await self._store.log.find(conversation, f"spoken:{seq}") is None:
            await self._store.log.record(conversation, await self._outcome(conversation, seq, text))

    async def _entry(self, conversation: str, seq: int) -> object:
        logged = await self._store.log.entry(conversation, seq)
        return logged.entry if logged else None

    async def _wanted(self, conversation: str, replied: Replied) -> bool:
        """Whether this answer is spoken: every one, or those to voice messages."""
        if self._rules.channel(Address.of(conversation).channel).speak == "always":
            return True
        asked = await self._entry(conversation, replied.turn) if replied.turn >= 0 else None
        return isinstance(asked, Heard) and has_speech(asked)

    async def _outcome(self, conversation: str, seq: int, text: str) -> Posted:
        """The voice message, or the word that there is none."""
        now, channel = self._clock.now(), Address.of(conversation).channel
        channel_traits = self._traits.get(channel)
        if channel_traits is None or not channel_traits.can.file_bytes:  # before anything is paid for
            return unspoken(f"the channel '{channel}' sends no files", now)
        try:
            if reason := await reached_cap(self._store.spending, self._rules.caps, conversation, now):
                return unspoken(reason, now)
            speech = await self._speaker.speak(text)
            file = await self._files.put(speech.data, mime=speech.mime, name="answer.ogg")
        except BridgeError as exc:
            reason = whole_characters(str(exc))[:300]
            logger.warning("an answer in %s could not be spoken: %s", conversation, reason)
            return unspoken(reason, now)
        to = message_id(conversation, seq)
        model, usage = self._speaker.model, speech.usage
        return Posted(
            "", BRIDGE, f"spoken:{seq}", files=(file,), reply_to=to, silent=True, spoken_by=model, usage=usage
        )


def unspoken(reason: str, now: float) -> Posted:
    """What the chat is told; the same key for a day, so that it is told once."""
    return Posted(chat_texts.unspoken(reason), BRIDGE, f"unspoken:{day_of(now)}", silent=True)
