"""Messages that come in while a turn is at work, and stopping: with a real provider that takes its time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from bridge_mcp.core.entries import Finished, Judged, Replied, Stopped
from bridge_mcp.core.tools import JSON
from bridge_mcp.models.registry import Models
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ChannelRules
from bridge_mcp.testing import FakeModel, FakeToolbox, calls, says
from tests.integration.setup import HOST, OWNER, World, rules_for, world
from tests.servers.model_apis.answers import calling, saying, silent
from tests.servers.model_apis.openai_server import OpenAIServer

WhileBusy = Literal["join", "queue", "interrupt"]


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


@pytest.fixture
async def model(server: OpenAIServer) -> AsyncIterator[Models]:
    made = Models({"default": ModelSettings("default", "openai/gpt-test", "sk-a", base_url=server.url)})
    yield made
    await made.close()


async def came(server: OpenAIServer, *, requests: int = 0, hung_up: int = 0) -> None:
    """Wait until the server has seen so many more of these than `before`."""
    assert await anyio.to_thread.run_sync(partial(server.wait_for, requests=requests, hung_up=hung_up))


def busy(what: WhileBusy) -> Any:
    return rules_for(channels={"local": ChannelRules("local", "assistant", chat_context=False, while_busy=what)})


def files() -> FakeToolbox:
    toolbox = FakeToolbox()

    @toolbox.tool("files__list", read_only=True)
    async def _list(arguments: Mapping[str, JSON]) -> str:
        return "a.txt"

    @toolbox.tool("files__delete")
    async def _delete(arguments: Mapping[str, JSON]) -> str:
        return "deleted"

    return toolbox


async def stops(it: World) -> list[Stopped]:
    return [e.entry for e in await it.bridge.read_log(OWNER, "local/main") if isinstance(e.entry, Stopped)]


async def test_stopping_hangs_up_on_the_provider_and_the_log_says_so(
    tmp_path: Path, server: OpenAIServer, model: Models
) -> None:
    before = len(server.requests), server.hung_up
    server.answer(silent())
    async with world(tmp_path, model) as it:
        message = await it.say("think for ever")
        await came(server, requests=before[0] + 1)
        assert await it.bridge.run_command(OWNER, "local/main", "/stop") == "Stopped."
        await came(server, hung_up=before[1] + 1)
        assert (await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=5)).outcome == "stopped"
        assert [(e.reason, e.by) for e in await stops(it)] == [("stopped by request", "owner")]
        server.answer(saying("Yes?"))
        assert await it.settled("still there?") == "Yes?"


@pytest.mark.shows("tools.cancelling")
async def test_a_client_that_cancels_its_turn_stops_it(tmp_path: Path, server: OpenAIServer, model: Models) -> None:
    before = len(server.requests), server.hung_up
    server.answer(silent())
    async with world(tmp_path, model) as it:
        ticket = await it.bridge.run_turn(HOST, "local/main", "think for ever")
        await came(server, requests=before[0] + 1)
        assert await it.bridge.cancel_turn(HOST, ticket.id)
        await came(server, hung_up=before[1] + 1)
        assert (await it.bridge.wait_for(HOST, ticket.id, timeout_s=5)).outcome == "cancelled"
        assert [(e.reason, e.by) for e in await stops(it)] == [("its caller cancelled it", "host")]
        assert not await it.bridge.cancel_turn(HOST, ticket.id), "it is over"


@pytest.mark.shows("assistant.busy")
async def test_a_message_interrupts_the_provider_and_both_are_read_together(
    tmp_path: Path, server: OpenAIServer, model: Models
) -> None:
    before = len(server.requests), server.hung_up
    server.answer(silent(), saying("Blue."))
    async with world(tmp_path, model, rules=busy("interrupt")) as it:
        first = await it.say("paint it red")
        await came(server, requests=before[0] + 1)
        assert await it.settled("no, blue") == "Blue."
        await came(server, hung_up=before[1] + 1)
        ticket = await it.bridge.wait_for(OWNER, f"turn:{first}", timeout_s=5)
        assert (ticket.outcome, ticket.text) == ("stopped", "interrupted by a new message")
    asked = [m["content"] for m in server.requests[-1].body["messages"] if m["role"] == "user"]
    assert asked == ["paint it red\n\nno, blue"]


async def test_a_message_interrupts_tools_and_what_waits_for_a_verdict(tmp_path: Path) -> None:
    toolbox = files()
    hold = toolbox.hold("files__list")
    model = FakeModel([calls(("files__list", {}), ("files__delete", {})), says("Never mind.")])
    async with world(tmp_path, model, toolbox, rules=busy("interrupt")) as it:
        await it.say("tidy up")
        await it.approvals()
        with anyio.fail_after(5):
            await hold.entered.wait()
        assert await it.settled("never mind") == "Never mind."
        log = [e.entry for e in await it.bridge.read_log(OWNER, "local/main")]
    assert [(e.verdict, e.by) for e in log if isinstance(e, Judged)] == [("cancelled", "bridge")]
    assert [e.outcome for e in log if isinstance(e, Finished)] == ["stopped"]
    assert toolbox.count("files__delete") == 0


@pytest.mark.shows("assistant.busy")
async def test_in_a_queue_every_message_gets_its_own_reply(tmp_path: Path, server: OpenAIServer, model: Models) -> None:
    toolbox = files()
    hold = toolbox.hold("files__list")
    server.answer(calling(("files__list", {})), saying("about one"), saying("about two"), saying("about three"))
    async with world(tmp_path, model, toolbox, rules=busy("queue")) as it:
        await it.say("one")
        with anyio.fail_after(5):
            await hold.entered.wait()
        await it.say("two")
        third = await it.say("three")
        assert (await it.bridge.get_conversation(OWNER, "local/main")).unread == 2
        hold.release()
        ticket = await it.bridge.wait_for(OWNER, f"turn:{third}", timeout_s=10)
        assert ticket.text == "about three"
        assert await it.texts() == ["one", "two", "three", "about one", "about two", "about three"]
        replies = [e.entry for e in await it.bridge.read_log(OWNER, "local/main") if isinstance(e.entry, Replied)]
    assert [reply.turn for reply in replies] == [0, 0, 4, 5]
    asked = [[m["content"] for m in r.body["messages"] if m["role"] == "user"] for r in server.requests[-4:]]
    assert asked == [["one"], ["one"], ["one", "two"], ["one", "two", "three"]]


@pytest.mark.shows("assistant.busy")
async def test_by_default_a_message_joins_the_turn_at_its_next_call(tmp_path: Path) -> None:
    toolbox = files()
    hold = toolbox.hold("files__list")
    model = FakeModel([calls(("files__list", {})), says("about both")])
    async with world(tmp_path, model, toolbox) as it:
        first = await it.say("one")
        with anyio.fail_after(5):
            await hold.entered.wait()
        second = await it.say("two")
        hold.release()
        for message in (first, second):
            assert (await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=5)).text == "about both"
    assert len(model.requests) == 2


async def test_a_client_that_goes_away_at_any_moment_knows_of_every_turn_it_began(tmp_path: Path) -> None:
    """Else a call that is taken back while its message is being written could not stop its turn."""
    begun_without: list[str] = []
    async with world(tmp_path, engine=False) as it:
        for moments in range(40):
            there, told = f"local/{moments}", list[str]()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(it.bridge.run_turn, OWNER, there, "hi", wait_s=5, begun=told.append))
                for _ in range(moments):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            # What was handed to the store before is written by now.
            await it.say("and then?", "local/after")
            if "hi" in await it.texts(there) and not told:
                begun_without.append(there)
    assert begun_without == []


async def test_more_conversations_than_there_is_room_for_are_all_answered(tmp_path: Path) -> None:
    model = FakeModel(lambda request: says("ok"))
    async with world(tmp_path, model, rules=rules_for(max_turns=2), engine=False) as it:
        said = [await it.say("hi", f"local/{number}") for number in range(7)]
        async with it.engine_with(it.toolbox):
            for message in said:
                assert (await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)).text == "ok"
