"""What the contract tests of stores stand on: a place for a store, a clock that obeys, and short ways to say things."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bridge_mcp.core.entries import (
    Asked,
    Attachment,
    Call,
    Heard,
    Judged,
    Posted,
    Question,
    Replied,
    Sender,
    Started,
    Verdict,
)
from bridge_mcp.ports import Store
from bridge_mcp.stores.sqlite import open_store, verify

ANN = Sender("7", "Ann")
HOST = Sender("host", "host", "client")
SOON_S = 10.0
"""How long a test waits for what must happen: much longer than it takes."""


@dataclass
class StoreClock:
    time: float = 1000.0

    def now(self) -> float:
        return self.time


@dataclass
class SqlitePlace:
    """A file that any number of stores can be opened on, as any number of processes would."""

    folder: Path
    clock: StoreClock = field(default_factory=StoreClock)
    opened: list[Store] = field(default_factory=list[Store])

    async def open(self, delivered_by_commit: frozenset[str] = frozenset({"local"})) -> Store:
        store = await open_store(self.folder / "bridge.db", clock=self.clock, delivered_by_commit=delivered_by_commit)
        self.opened.append(store)
        return store

    def verify(self) -> tuple[str, ...]:
        return verify(self.folder / "bridge.db")


Place = SqlitePlace
PLACES = (SqlitePlace,)
"""Every kind of store there is."""


@asynccontextmanager
async def used(place: Place) -> AsyncGenerator[Place]:
    """A place that is left in order: whatever a test did, all rows say what the logs say."""
    yield place
    for store in place.opened:
        await store.close()
    if place.opened:
        assert place.verify() == ()


def heard(text: str = "hi", key: str = "", *, sender: Sender = ANN, **more: Any) -> Heard:
    return Heard(text, sender, key or text, **more)


def posted(text: str = "hello", key: str = "", question: Question | None = None, files: int = 0) -> Posted:
    return Posted(text, HOST, key or text, files=tuple(Attachment(f"f{n}") for n in range(files)), question=question)


def model_started(turn: int = 0) -> Started:
    return Started("model", turn=turn)


def replied(text: str = "I am well.", *calls: Call, upto: int = 1) -> Replied:
    return Replied(text, calls, upto, turn=0)


def asked(call: str = "1.0", tool: str = "files__delete", expires_at: float = 0.0) -> Asked:
    return Asked(
        call,
        "files",
        tool,
        arguments='{"path":"a"}',
        digest="sha256:00",
        expires_at=expires_at,
        requested_by="assistant",
        reason="files asks for everything",
    )


def judged(
    call: str = "1.0",
    verdict: Verdict = "approved",
    by: str = "bob",
    remember: Literal["once", "conversation", "always"] = "once",
    note: str = "",
) -> Judged:
    return Judged(call, verdict, by, note=note, remember=remember)


async def say(store: Store, conversation: str, *texts: str) -> None:
    """Messages that came in."""
    await store.log.record(conversation, *(heard(text) for text in texts))


async def turn(store: Store, conversation: str, text: str = "hi", reply: str = "I am well.") -> int:
    """A whole turn; the seq of its reply."""
    (came,) = await store.log.record(conversation, heard(text))
    (begun,) = await store.log.intend(conversation, came.seq + 1, model_started(came.seq))
    answer = await store.log.answer(conversation, begun.seq, replied(reply, upto=begun.seq), wake=None)
    assert answer is not None
    return answer.seq
