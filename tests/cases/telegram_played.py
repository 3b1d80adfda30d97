"""Telegram cases played within this process, several at a time, and what came of each in words of its own."""

from __future__ import annotations

import json
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tests.cases.inner_bridge import InnerBridge
from tests.cases.play_telegram import Player
from tests.cases.transcripts import Transcript
from tests.servers.telegram import TOKEN, Received, TelegramServer
from tests.servers.telegram.state import MessageState

__all__ = ["CASES", "Played", "play_all"]

Object: TypeAlias = dict[str, Any]

CASES = Path(__file__).with_name("telegram")
AT_ONCE = 8
HEAD = re.compile(
    r"^\[(?:from (?P<from>.*?) \((?P<id>id \d+|a bot)\); )?\w{3} \d{4}-\d\d-\d\d \d\d:\d\d(?P<more>.*)\]$"
)
"""The line that the bridge puts in front of a message."""


@dataclass(frozen=True)
class Played:
    """A case that was played."""

    name: str
    requests: Sequence[Object]
    """What the model was asked."""
    answers: Sequence[Object]
    """What the MCP tools of the case answered, in order."""
    bot: Sequence[Received]
    """What the bot asked of Telegram, refused or not."""
    chats: Mapping[str, Sequence[MessageState]]
    """The bot's messages that stand in each chat in the end."""
    transcript: str

    def asked(self, number: int) -> str:
        """The last message of a request as one text; requests are counted from 0, or from the end."""
        return texts_of(self.requests[number]["messages"][-1])

    def words(self, number: int) -> str:
        """The same without the bridge's own lines in front of messages."""
        return "\n".join(line for line in self.asked(number).splitlines() if not HEAD.match(line))

    def past(self, number: int) -> str:
        """A whole request but for its system prompt."""
        return "\n".join(texts_of(each) for each in self.requests[number]["messages"] if each["role"] != "system")

    def system(self, number: int) -> str:
        return "\n".join(texts_of(each) for each in self.requests[number]["messages"] if each["role"] == "system")

    def images(self, number: int) -> int:
        """The pictures in the last message of a request."""
        return len(parts_of(self.requests[number]["messages"][-1], "image_url"))

    def shown(self, chat: str) -> list[str]:
        """The texts, or captions, of the bot's messages as they stand in a chat in the end."""
        return [str(each.wire.get("text") or each.wire.get("caption") or "") for each in self.chats[chat]]

    def sent(self, method: str = "sendmessage", *, refused: bool = False) -> list[Object]:
        """The parameters of the bot's requests of one method that were taken, or were not."""
        return [each.json for each in self.bot if each.method.lower() == method and (each.status != 200) is refused]

    def answered(self, *wanted: str) -> bool:
        """Whether these are all texts that the bot sent, in order."""
        return [each["text"] for each in self.sent()] == list(wanted)


def parts_of(message: Object, kind: str) -> list[Object]:
    content: str | list[Object] | None = message.get("content")
    return [part for part in content if part.get("type") == kind] if isinstance(content, list) else []


def texts_of(message: Object) -> str:
    """The content of a message in one text."""
    content: str | list[Object] = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(part.get("text") or "" for part in content)


def play_all(*cases: str | tuple[str, Object]) -> Iterator[tuple[str, Future[Played]]]:
    """Play cases beside each other: files by the names they have without `.json`, or (name, case)."""
    lock = threading.Lock()
    with ThreadPoolExecutor(min(AT_ONCE, len(cases))) as pool:
        for each, future in [(each, pool.submit(play, each, lock)) for each in cases]:
            yield (each if isinstance(each, str) else each[0]), future


def play(wanted: str | tuple[str, Object], starting: threading.Lock) -> Played:
    """Play one case. One starts at a time: what comes then is a matter of tenths of a second."""
    name, case = wanted if isinstance(wanted, tuple) else (wanted, json.loads((CASES / f"{wanted}.json").read_bytes()))
    tell = Transcript()
    with (
        tempfile.TemporaryDirectory(prefix="case-") as folder,
        TelegramServer(TOKEN, privacy=case.get("privacy", True)) as server,
    ):
        with starting:
            player = Player(server, case, Path(folder), tell, InnerBridge)
        player.play()
        stage = player.stage
        everywhere = [*stage.users, *stage.chats]
        return Played(
            name,
            list(player.model.requests),
            list(player.answers),
            bot=list(server.requests),
            chats={each: stage.standing(each, 1_000) for each in everywhere},
            transcript=tell.text(),
        )
