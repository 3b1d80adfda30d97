"""A crash, a message, a stop, a clearing and a takeover at every point of a turn that has to sum up its past first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bridge_mcp.core.entries import Cleared, Entry, Failed, Heard, Log, Replied, Started, Summarised
from bridge_mcp.core.messages import message_tokens
from bridge_mcp.core.summary import TASK
from bridge_mcp.core.token_estimate import calibration
from bridge_mcp.core.transcript import past
from bridge_mcp.core.window import Window
from bridge_mcp.models.openai_format import chat_body
from bridge_mcp.ports import Capacity, ModelHealth, ModelReply, ModelRequest, OnText, Store
from bridge_mcp.stores.sqlite import open_store
from tests.crash.test_every_point import run_all
from tests.crash.world import ANN, Clock, Crash, Points, World, findings
from tests.servers.model_apis.chat_format import chat_problems

SMALL = Window(context_tokens=2_000)
TURNS = 10


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path / "bridge.db", clock=Clock(), delivered_by_commit=frozenset({"local"}))
    yield opened
    await opened.close()


class Chronicler:
    """A model that sums up when it is asked to, and else answers. It keeps what it was asked."""

    def __init__(self, points: Points) -> None:
        self._points = points
        self.asked: list[ModelRequest] = []

    def health(self) -> tuple[ModelHealth, ...]:
        return ()

    async def capacity(self, model: str) -> Capacity:
        return Capacity()

    async def reply(self, request: ModelRequest, on_text: OnText | None = None) -> ModelReply:
        self.asked.append(request)
        what = "the summary" if request.messages[0].text == TASK else "the model"
        await self._points.reach(f"before {what}")
        await self._points.reach(f"after {what}")
        return ModelReply("They counted." if what == "the summary" else "All done.")


@dataclass
class Chat(World):
    """A conversation whose past does not fit into its model's window."""

    models: list[Chronicler] = field(default_factory=list[Chronicler])
    window: Window = SMALL

    async def takeover(self) -> None:
        await Chat(self.store, self.conversation, clock=self.clock, models=self.models).run()

    def model_at(self, points: Points) -> Chronicler:
        model = Chronicler(points)
        self.models.append(model)
        return model

    async def begin(self) -> None:
        """Turns that were, and the message to answer."""
        entries: list[Entry] = []
        for number in range(TURNS):
            turn = len(entries)
            entries += [
                Heard(f"{number}: {'word ' * 40}", ANN, f"p{number}"),
                Started("model", turn=turn),
                Replied(f"answer {number}", upto=turn + 1, turn=turn),
            ]
        await self.store.log.record(self.conversation, *entries)
        await self.hear("m1", "the last question")


def wrong(chat: Chat, log: Log, *, answered: bool = True) -> list[str]:
    """What went wrong in a run; nothing should."""
    found = findings(chat, log, crashed=True, expect_reply=answered)
    summed = [logged.entry for logged in log if isinstance(logged.entry, Summarised)]
    begun = {logged.seq for logged in log if isinstance(logged.entry, Started) and logged.entry.effect == "summary"}
    places = [entry.upto for entry in summed]
    if len(set(places)) != len(places) or places != sorted(places):
        found.append(f"summed up twice, or backwards: {places}")
    answers = [entry.ref for entry in summed if entry.ref >= 0]
    if len(set(answers)) != len(answers) or not begun.issuperset(answers):
        found.append(f"summaries that nobody began, or two of one: {answers}")
    asked = [request for model in chat.models for request in model.asked]
    for entry in summed:
        gone = [each.entry.text for each in log[: entry.upto] if isinstance(each.entry, Heard)]
        told = [request.messages[1].text for request in asked if request.messages[0].text == TASK]
        if entry.ref >= 0 and not any(all(text.strip() in each for text in gone) for each in told):
            found.append("a turn is gone of which no summary was asked for")
    heard = [logged.entry.text for logged in log if isinstance(logged.entry, Heard)]
    if len(set(heard)) != len(heard) or len(heard) < TURNS + 1:
        found.append("a message was lost or doubled in the log")
    cleared = max((logged.seq for logged in log if isinstance(logged.entry, Cleared)), default=-1)
    border = max(places[-1] if places else 0, cleared)
    kept = [logged.entry.text for logged in log if isinstance(logged.entry, Heard) and logged.seq >= border]
    shown = [message.text for message in past(log).messages() if message.role == "user"]
    if [text for text in shown if text in heard] != kept:
        found.append(f"the model would see {shown}, where {kept} stands behind the cut")
    for request in asked:
        found += chat_problems(chat_body("m", request, {}))
        if sum(map(message_tokens, request.messages)) > SMALL.room / calibration(log):
            found.append("a request does not fit")
    return found


async def one_run(store: Store, crash: int, event: int, what: str) -> list[str]:
    chat = Chat(store, f"local/{what}-{crash}-{event}")
    chat.points.crash_at = crash
    happens: dict[str, Callable[[], Awaitable[None]]] = {
        "message": lambda: chat.hear("m2", "and also this"),
        "stop": chat.stop,
        "clear": chat.clear,
        "takeover": chat.takeover,
    }
    if event >= 0:
        chat.points.at[event] = happens[what]
    await chat.begin()
    log = await chat.run()
    answered = what in ("message", "takeover") or event < 0
    return [f"{what} at {event}, crash at {crash}: {each}" for each in wrong(chat, log, answered=answered)]


async def points_of(store: Store) -> list[str]:
    """The points that a run comes by when nothing goes wrong."""
    chat = Chat(store, "local/plain")
    await chat.begin()
    points = chat.points
    log = await chat.run()
    assert wrong(chat, log) == []
    assert [type(e.entry).__name__ for e in log[3 * TURNS :]] == [
        "Heard",
        "Started",
        "Summarised",
        "Started",
        "Replied",
    ]
    assert "before the summary" in points.seen
    return points.seen


def bind(store: Store, crash: int, event: int, what: str) -> Callable[[], Awaitable[list[str]]]:
    return lambda: one_run(store, crash, event, what)


@pytest.mark.slow
async def test_whatever_happens_around_a_summary_nothing_is_lost_and_nothing_summed_up_twice(store: Store) -> None:
    count = len(await points_of(store))
    runs = [bind(store, crash, -1, "message") for crash in range(count)]
    for what in ("message", "stop", "clear", "takeover"):
        for event in range(count):
            runs += [bind(store, crash, event, what) for crash in (-1, event + 1, event + 3)]
    found = await run_all(runs)
    assert found == [], f"{len(found)} findings in {len(runs)} runs"
    assert len(runs) > 150


async def test_a_summary_that_always_kills_the_process_is_done_without(store: Store) -> None:
    chat = Chat(store, "local/deadly")
    await chat.begin()
    crashes = 0
    for _ in range(10):
        try:
            await chat.drive(DeadlySummary()).run()
        except (Crash, BaseExceptionGroup):
            crashes += 1
    log = await store.log.load(chat.conversation)
    assert 0 < crashes < 5
    assert wrong(chat, log) == []
    (cut,) = [logged.entry for logged in log if isinstance(logged.entry, Summarised)]
    assert (cut.text, cut.ref) == ("", -1)
    assert not [logged for logged in log if isinstance(logged.entry, Failed)]


class DeadlySummary(Points):
    """Crash points of a process that dies whenever it asks for a summary."""

    async def reach(self, name: str) -> None:
        if name == "before the summary":
            self.crash_at = len(self.seen)
        await super().reach(name)
