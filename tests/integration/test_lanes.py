"""A failure is no crash: a lane that fails goes on by itself after a pause, and outcomes are recorded in any case."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from bridge_mcp.core.backoff import Backoff, pause_s
from bridge_mcp.core.entries import Delivered, Finished, Replied, Started
from bridge_mcp.core.errors import SendFailed, StoreError, StoreLost
from bridge_mcp.engine.engine import Engine
from bridge_mcp.engine.outbound import outbox
from bridge_mcp.engine.supervision import Pauses, TaskSupervisor, Troubles, first_error
from bridge_mcp.engine.turns import fast_path
from bridge_mcp.ports import ModelCall, ModelReply, ModelRequest, Pairing, StatusName
from bridge_mcp.testing import FakeModel, FakeToolbox, says
from tests.integration.failing_store import FailingStore
from tests.integration.setup import HOST, OWNER, World, rules_for, world

FULL = "database or disk is full"


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 15.0) -> None:
    """Wait until something holds."""
    with anyio.fail_after(seconds):
        while not await condition():  # noqa: ASYNC110 (what is waited for stands in a store)
            await anyio.sleep(0.02)


async def warned(it: World, word: str) -> bool:
    return any(word in warning for warning in (await it.bridge.get_status(OWNER)).warnings)


@pytest.fixture
async def it(tmp_path: Path) -> AsyncGenerator[World]:
    async with world(tmp_path) as made:
        await made.store.access.pair(Pairing("family", "1"))
        yield made


# -- the outbox ------------------------------------------------------------------------------------------------


async def test_a_delivery_that_could_not_be_written_down_is_written_again(
    it: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = it.store.log.record, list[str]()

    async def record(conversation: str, *entries: Any, **more: Any) -> Any:
        if isinstance(entries[0], Delivered) and len(failures) < 2:
            failures.append(conversation)
            raise StoreError(FULL)
        return await real(conversation, *entries, **more)

    monkeypatch.setattr(it.store.log, "record", record)
    await it.bridge.send_message(OWNER, "family/1", "one", wait_s=0)
    two = await it.bridge.send_message(OWNER, "family/1", "two", wait_s=10)
    assert two.status == "sent"
    assert [each.text for each in it.family.sent] == ["one", "two"]
    shown = (await it.bridge.read_messages(OWNER, "family/1")).messages
    assert [each.status for each in shown] == ["sent", "sent"]
    assert failures == ["family/1", "family/1"]


Append = Callable[..., Awaitable[Any]]


def failing(real: Append, kind: type[Any], failures: list[str]) -> Append:
    """An append that fails twice where it is to write an entry of this kind."""

    async def append(conversation: str, *given: Any, **more: Any) -> Any:
        if any(isinstance(each, kind) for each in given) and len(failures) < 2:
            failures.append(conversation)
            raise StoreError(FULL)
        return await real(conversation, *given, **more)

    return append


def counting_tool() -> FakeToolbox:
    toolbox = FakeToolbox()

    @toolbox.tool("files__delete")
    async def _delete(arguments: Any) -> str:
        return "deleted"

    return toolbox


async def test_an_outcome_that_could_not_be_written_down_is_never_called_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = FakeModel([ModelReply("", (ModelCall("a", "files__delete", "{}"),)), says("Done.")])
    toolbox, failures = counting_tool(), list[str]()
    async with world(tmp_path, model, toolbox, rules=rules_for(confirmation="never")) as it:
        monkeypatch.setattr(it.store.log, "record", failing(it.store.log.record, Finished, failures))
        assert await it.settled("delete it") == "Done."
        log = [each.entry for each in await it.bridge.read_log(OWNER, "local/main")]
        assert [(e.outcome, e.content) for e in log if isinstance(e, Finished)] == [("ok", "deleted")]
        assert sum(isinstance(e, Started) and e.effect == "tool" for e in log) == 1
    assert (toolbox.count("files__delete"), len(failures)) == (1, 2)


async def test_a_reply_that_could_not_be_written_down_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, failures = FakeModel([says("hi")]), list[str]()
    async with world(tmp_path, model) as it:
        monkeypatch.setattr(it.store.log, "answer", failing(it.store.log.answer, Replied, failures))
        assert await it.settled("hello") == "hi"
    assert (len(model.requests), len(failures)) == (1, 2)


async def test_the_outcome_of_a_clients_call_is_written_down_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolbox, failures = counting_tool(), list[str]()
    async with world(tmp_path, FakeModel(), toolbox, rules=rules_for(confirmation="never")) as it:
        monkeypatch.setattr(it.store.log, "intend", failing(it.store.log.intend, Finished, failures))
        ticket = await it.bridge.call_tool(HOST, "files__delete", {}, wait_s=20)
        assert (ticket.state, ticket.text) == ("done", "deleted")
    assert (toolbox.count("files__delete"), len(failures)) == (1, 2)


async def test_a_message_that_an_adapter_cannot_take_fails_alone(it: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def parts(action: object) -> Any:
        raise ValueError("an adapter's bug")

    with monkeypatch.context() as patch:
        patch.setattr(it.family, "parts", parts)
        poison = await it.bridge.send_message(OWNER, "family/1", "poison", wait_s=10)
    assert poison.status == "failed"
    assert "an adapter's bug" in poison.reason
    later = await it.bridge.send_message(OWNER, "family/1", "later", wait_s=10)
    assert later.status == "sent"


async def test_a_failing_begin_is_tried_with_growing_pauses_and_told(
    it: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = list[int]()

    async def begin(conversation: str, seq: int) -> Any:
        tried.append(seq)
        raise StoreError("attempt to write a readonly database")

    with monkeypatch.context() as patch:
        patch.setattr(it.store.outbox, "begin", begin)
        sent = await it.bridge.send_message(OWNER, "family/1", "one", wait_s=2)
        assert sent.status == "queued"
        assert 2 <= len(tried) <= 6
        await until(lambda: warned(it, "readonly"))
    await until(lambda: settled(it, "family/1"))
    assert [each.text for each in it.family.sent] == ["one"]

    async def told_no_more() -> bool:
        return not await warned(it, "Sending to family/1")

    await until(told_no_more)


async def settled(it: World, conversation: str) -> bool:
    return all(m.status == "sent" for m in (await it.bridge.read_messages(OWNER, conversation)).messages)


async def test_a_stranded_message_is_found_while_the_engine_runs(it: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row says `sending`, and nobody sends it: the process that did is gone, or its last write failed."""
    monkeypatch.setattr(outbox, "STRANDED_S", 0.1)
    it.family.fail(SendFailed("busy", retry_after_s=600.0))
    sent = await it.bridge.send_message(OWNER, "family/1", "first", wait_s=0.3)
    assert sent.status == "queued"
    assert await it.store.outbox.begin("family/1", int(sent.message.partition("#")[2])) is not None
    later = await it.bridge.send_message(OWNER, "family/1", "second", wait_s=10)
    assert later.status == "sent"
    shown = (await it.bridge.read_messages(OWNER, "family/1")).messages
    assert [each.status for each in shown] == ["uncertain", "sent"]


async def test_a_failed_search_for_messages_cuts_no_sending_off(it: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real, release, due = it.family.send, anyio.Event(), it.store.outbox.due
    failures = list[int]()

    async def slow(part: Any) -> Any:
        await release.wait()
        return await real(part)

    async def broken(*args: Any, **more: Any) -> Any:
        failures.append(1)
        raise StoreError("database is locked")

    monkeypatch.setattr(it.family, "send", slow)
    first = await it.bridge.send_message(OWNER, "family/1", "first", wait_s=0.2)
    assert first.status == "sending"
    monkeypatch.setattr(it.store.outbox, "due", broken)
    await it.bridge.send_message(OWNER, "family/1", "second", wait_s=0.5)
    assert failures
    monkeypatch.setattr(it.store.outbox, "due", due)
    release.set()
    await until(lambda: settled(it, "family/1"))
    assert [each.text for each in it.family.sent] == ["first", "second"]


# -- the others ------------------------------------------------------------------------------------------------


@dataclass
class AtWork:
    """A bridge with a tool at work."""

    it: World
    cut_off: list[int]
    release: anyio.Event


@asynccontextmanager
async def tool_at_work(folder: Path, prepare: Callable[[World], None]) -> AsyncGenerator[AtWork]:
    """A turn with a slow tool, and one that tells of its progress; `prepare` breaks something first."""
    box, cut_off, release, entered = FakeToolbox(), list[int](), anyio.Event(), anyio.Event()

    @box.tool("files__look", read_only=True)
    async def look(arguments: object) -> str:
        return "done"

    @box.tool("files__slow", read_only=True)
    async def slow(arguments: object) -> str:
        entered.set()
        try:
            await release.wait()
        except BaseException:
            cut_off.append(1)
            raise
        return "done"

    def reply(request: ModelRequest) -> ModelReply:
        if any(message.calls for message in request.messages):
            return says("all done")
        return ModelReply("", (ModelCall("m0", "files__slow", "{}"), ModelCall("m1", "files__look", "{}")))

    box.report("files__slow", 1.0, 2.0, "half")
    async with world(folder, FakeModel(reply), box) as it:
        prepare(it)
        await it.say("go")
        with anyio.fail_after(10):
            await entered.wait()
        yield AtWork(it, cut_off, release)


@pytest.mark.parametrize("lane", ["progress", "status"])
async def test_a_side_lane_that_fails_cuts_no_tool_off(
    tmp_path: Path, lane: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = list[str]()

    def prepare(it: World) -> None:
        real = it.store.status.several

        async def publish(*events: object) -> None:
            failures.append("progress")
            raise StoreError("database is locked")

        async def several(*names: StatusName) -> Any:
            if len(failures) < 3:
                failures.append("status")
                raise StoreError("database is locked")
            return await real(*names)

        if lane == "progress":
            monkeypatch.setattr(it.store.feed, "publish", publish)
        else:
            monkeypatch.setattr(it.store.status, "several", several)

    async with tool_at_work(tmp_path, prepare) as work:

        async def failed() -> bool:
            return lane in failures

        await until(failed)
        work.release.set()
        await until(lambda: answered(work.it, "all done"))
        assert work.cut_off == []


async def answered(it: World, text: str) -> bool:
    return text in await it.texts()


async def test_a_bug_in_one_clients_call_costs_that_call_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = FakeToolbox()

    @box.tool("files__delete", read_only=True)
    async def delete(arguments: object) -> str:
        return "done"

    def broken(*args: object, **more: object) -> Any:
        raise RuntimeError("a bug that one call meets")

    async with world(tmp_path, FakeModel(), box) as it:
        with monkeypatch.context() as patch:
            patch.setattr(fast_path, "decide", broken)
            with pytest.raises(Exception, match="a bug that one call meets"):
                await it.bridge.call_tool(HOST, "files__delete", {}, wait_s=5)
        assert (await it.bridge.call_tool(HOST, "files__delete", {}, wait_s=5)).text == "done"


async def test_a_chat_that_can_be_shown_nothing_disturbs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def show(chat: str, draft: int, text: str) -> None:
        raise RuntimeError("an adapter's bug")

    def prepare(it: World) -> None:
        monkeypatch.setattr(it.local, "show", show)

    async with tool_at_work(tmp_path, prepare) as work:
        await anyio.sleep(0.6)
        work.release.set()
        await until(lambda: answered(work.it, "all done"))
        assert work.cut_off == []


# -- by themselves ---------------------------------------------------------------------------------------------


def test_what_failed_pauses_twice_as_long_each_time_until_it_works() -> None:
    troubles = Troubles()
    pauses = Pauses(TaskSupervisor(troubles), "Chat {}", first_s=10.0, longest_s=25.0)
    lasting = list[float]()
    for _ in range(3):
        began = time.monotonic()
        pauses.failed("a", StoreError("locked"))
        lasting += [round(each) for each in pauses.left(began)]
    assert lasting == [10, 20, 25]
    began = time.monotonic()
    pauses.failed("b", StoreError("full"))
    assert (pauses.at(began), pauses.at(began + 15), pauses.at(began + 60)) == ({"a", "b"}, {"a"}, set())
    assert set(troubles.all()) == {"Chat a", "Chat b"}
    pauses.succeeded("a")
    assert (pauses.at(began), set(troubles.all())) == ({"b"}, {"Chat b"})
    with pytest.raises(StoreLost):
        pauses.failed("b", StoreLost("gone"))


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(1.0, 10.0)
    assert [backoff.next() for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    backoff.reset()
    assert backoff.next() == 1
    assert pause_s(10**6, 1.0, 10.0) == 10


async def test_a_lane_is_run_again_and_its_trouble_ends_with_it() -> None:
    supervisor, runs = TaskSupervisor(Troubles(lambda: 7.0)), list[int]()

    async def run() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise ExceptionGroup("several", [OSError("the first"), ValueError("the second")])
        assert [(each.text, each.since) for each in supervisor.troubles.all().values()] == [("OSError: the first", 7.0)]

    with anyio.fail_after(10):
        await supervisor.keep("A lane", run)
    assert len(runs) == 2
    assert supervisor.troubles.all() == {}


async def test_a_lost_store_ends_every_lane() -> None:
    async def run() -> None:
        raise ExceptionGroup("several", [StoreLost("gone")])

    with pytest.raises(StoreLost):
        await TaskSupervisor(Troubles()).keep("A lane", run)


def test_the_first_error_is_what_is_told() -> None:
    group = ExceptionGroup("", [ExceptionGroup("", [KeyError("a"), OSError("b")]), ValueError("c")])
    assert repr(first_error(group)) == "KeyError('a')"


# -- every store call ------------------------------------------------------------------------------------------


@dataclass
class Run:
    """One run of the scenario: what was sent, what was done, and at which places the store was touched."""

    sent: list[str]
    local: list[str]
    ran: list[str]
    places: list[str]
    failed: list[str]


async def scenario(folder: Path, at: int, times: int) -> Run:
    """A chat that is answered, one with a tool, and an agent's messages, while the store of the engine fails once."""
    box, ran = FakeToolbox(), list[str]()

    @box.tool("files__look", read_only=True)
    async def look(arguments: object) -> str:
        ran.append("look")
        return "seen"

    def reply(request: ModelRequest) -> ModelReply:
        asked = request.messages[-1]
        if "look" in asked.text and not asked.calls:
            return ModelReply("", (ModelCall("m0", "files__look", "{}"),))
        return says(f"re: {len(request.messages)}")

    async with world(folder, FakeModel(reply), box, engine=False, prompts=True) as it:
        failing = FailingStore(it.store)
        failing.at, failing.times = at, times
        await it.store.access.pair(Pairing("family", "1"))
        engine = Engine(failing.as_store(), it.rules, it.channels, it.model, box, it.clock)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.run)
            await it.bridge.send_message(OWNER, "family/1", "news", wait_s=0)
            await it.say("look, please")
            await heard(it, "hello")
            await until(lambda: quiet(it), 30)
            tasks.cancel_scope.cancel()
        sent = [each.text for each in it.family.sent]
        return Run(sent, await it.texts(), ran, places=failing.places, failed=failing.failed)


async def heard(it: World, text: str) -> None:
    """Hear something, as a platform gives it again until it was taken."""
    with anyio.fail_after(20):
        while True:
            try:
                await it.family.receive(text, key="k1")
                return
            except StoreError:
                await anyio.sleep(0.05)


async def quiet(it: World) -> bool:
    """Whether everything was answered and sent."""
    family = (await it.bridge.read_messages(OWNER, "family/1")).messages
    local = (await it.bridge.read_messages(OWNER, "local/main")).messages
    heard = any(m.direction == "in" for m in family)
    done = bool(family) and bool(local) and family[-1].author.id == "assistant" and local[-1].author.id == "assistant"
    return heard and done and all(m.status not in ("queued", "sending") for m in family)


SAMPLE = 10
"""Of some forty places; all of them pass, and take half a minute."""


async def test_a_store_that_fails_at_any_call_of_any_lane_ends_nothing(tmp_path: Path) -> None:
    """Every message goes out once, every chat is answered, and no tool call is lost, wherever the store fails."""
    plain = await scenario(tmp_path / "plain", -1, 0)
    assert plain.ran == ["look"]
    assert "news" in plain.sent
    first = {place: index for index, place in reversed(list(enumerate(plain.places)))}
    picked = random.Random(9).sample(sorted(first.values()), min(SAMPLE, len(first)))
    for index in picked:
        run = await scenario(tmp_path / str(index), index, 2)
        assert run.failed, plain.places[index]
        twice = [text for text, count in Counter(run.sent).items() if count > 1]
        assert twice == [], (plain.places[index], run.sent)
        assert {"news"} <= set(run.sent), (plain.places[index], run.sent)
        assert "look" in run.ran, plain.places[index]
