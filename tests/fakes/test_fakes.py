"""The shipped fakes: what they are told to do, they do, and what they saw, they tell."""

from __future__ import annotations

from collections.abc import Mapping

import anyio
import pytest

from bridge_mcp.core.entries import Sender
from bridge_mcp.core.errors import ModelFailed, SendFailed, SendUncertain, ToolFailed, ToolUncertain
from bridge_mcp.core.tools import JSON, ToolResult
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.ports import (
    Arrival,
    ButtonPress,
    Channel,
    Clock,
    Form,
    Incoming,
    Model,
    ModelReply,
    ModelRequest,
    Outgoing,
    Toolbox,
)
from bridge_mcp.testing import FakeChannel, FakeModel, FakeToolbox, ManualClock, calls, says

HELLO = ModelRequest("default", (ChatMessage("user", "hello"),))


def test_they_are_what_the_ports_ask_for() -> None:
    clock: Clock = ManualClock()
    model: Model = FakeModel()
    toolbox: Toolbox = FakeToolbox()
    channel: Channel = FakeChannel()
    assert all((clock, model, toolbox, channel))


def test_the_clock_moves_when_told_to() -> None:
    clock = ManualClock(100.0)
    assert clock.now() == clock.now() == 100.0
    assert clock.advance(2.5) == clock.now() == 102.5
    clock.at = 50.0
    assert clock.now() == 50.0


async def test_the_model_gives_its_plan_in_order() -> None:
    model = FakeModel([says("one"), ModelFailed("down", permanent=True), calls(("a__b", {"x": 1}), text="two")])
    assert (await model.reply(HELLO)).text == "one"
    with pytest.raises(ModelFailed, match="down"):
        await model.reply(HELLO)
    reply = await model.reply(HELLO)
    assert [(call.tool, call.arguments) for call in reply.calls] == [("a__b", '{"x":1}')]
    assert model.requests == [HELLO] * 3
    model.finish()


async def test_the_model_tells_of_calls_that_were_not_planned_and_of_plans_that_were_not_called() -> None:
    model = FakeModel()
    with pytest.raises(AssertionError, match="call 1 was not planned; it was asked: 'hello'"):
        await model.reply(HELLO)
    with pytest.raises(AssertionError, match="1 calls were not planned"):
        model.finish()
    with pytest.raises(AssertionError, match="1 planned replies were never asked for"):
        FakeModel([says("one")]).finish()


async def test_the_model_may_be_a_function() -> None:
    async def shout(request: ModelRequest) -> ModelReply:
        return says(request.messages[-1].text.upper())

    model = FakeModel(shout)
    assert (await model.reply(HELLO)).text == "HELLO"
    model.plan(says("planned first"))
    assert (await model.reply(HELLO)).text == "planned first"
    model.finish()


@pytest.fixture
def toolbox() -> FakeToolbox:
    made = FakeToolbox()
    schema: dict[str, JSON] = {
        "type": "object",
        "properties": {"path": {"type": "string"}, "depth": {"type": "integer"}},
        "required": ["path"],
        "additionalProperties": False,
    }

    @made.tool("files__list", schema=schema, read_only=True)
    async def list_files(arguments: Mapping[str, JSON]) -> str:
        return f"all of {arguments['path']}"

    @made.tool("files__break")
    async def break_file(arguments: Mapping[str, JSON]) -> ToolResult:
        return ToolResult("no", is_error=True)

    assert list_files is not break_file
    return made


async def test_the_toolbox_runs_its_functions_and_remembers(toolbox: FakeToolbox) -> None:
    listing, breaking = toolbox.tools()
    assert (listing.server, listing.tool, listing.read_only, breaking.read_only) == ("files", "list", True, False)
    assert [(status.name, status.state, status.tools) for status in toolbox.status()] == [("files", "ready", 2)]
    await toolbox.ready(frozenset({"files"}), 1.0)
    assert (await toolbox.call(listing, {"path": "."})).text == "all of ."
    assert (await toolbox.call(breaking, {})).is_error
    assert toolbox.calls == [("files__list", {"path": "."}), ("files__break", {})]
    assert toolbox.count("files__list") == 1


async def test_the_toolbox_fails_as_planned(toolbox: FakeToolbox) -> None:
    (listing, _) = toolbox.tools()
    toolbox.fail("files__list", ToolUncertain("cut"))
    with pytest.raises(ToolUncertain, match="cut"):
        await toolbox.call(listing, {"path": "."})
    assert (await toolbox.call(listing, {"path": "."})).text == "all of ."
    with pytest.raises(ToolFailed, match="no tool 'files__list'"):
        await FakeToolbox().call(listing, {"path": "."})


async def test_the_toolbox_holds_a_call_until_it_is_released(toolbox: FakeToolbox) -> None:
    (listing, _) = toolbox.tools()
    hold = toolbox.hold("files__list")
    results: list[str] = []

    async def call() -> None:
        results.append((await toolbox.call(listing, {"path": "."})).text)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await hold.entered.wait()
            await anyio.wait_all_tasks_blocked()
            assert results == []
            hold.release()
    assert results == ["all of ."]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"path": ".", "depth": 2}, ""),
        ({}, "'path' is required."),
        ({"path": 1}, "'path' must be of type string."),
        ({"path": ".", "depth": True}, "'depth' must be of type integer."),
        ({"path": ".", "size": 1}, "'size' is unknown; there are: depth, path."),
    ],
)
async def test_the_toolbox_checks_arguments(toolbox: FakeToolbox, arguments: dict[str, JSON], told: str) -> None:
    assert await toolbox.check(toolbox.tools()[0], arguments) == told


async def send(channel: Channel, text: str) -> tuple[str, ...]:
    """Everything a short message takes."""
    (part,) = channel.parts(Outgoing("1", text))
    return await channel.send(part)


class Box:
    """An `Inbox` that refuses strangers."""

    def __init__(self) -> None:
        self.heard: list[Incoming] = []

    async def put(self, arrival: Arrival) -> str:
        assert isinstance(arrival, Incoming)
        self.heard.append(arrival)
        return "Who are you?" if arrival.sender.id == "stranger" else ""

    async def offset(self, channel: str) -> int | None:
        return None

    async def form(self, press: ButtonPress) -> Form | None:
        return None

    async def chats(self, channel: str, at_most: int) -> tuple[str, ...]:
        return ()


async def test_the_channel_hears_what_it_is_told_once_it_runs() -> None:
    channel, box, told = FakeChannel("family", clock=ManualClock(7.0)), Box(), list[str]()
    assert channel.health().state == "starting"

    async def talk() -> None:
        told.append(await channel.receive("hello"))
        told.append(await channel.receive("let me in", chat="2/9", sender=Sender("stranger"), key="k"))
        group.cancel_scope.cancel()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(talk)
            await anyio.wait_all_tasks_blocked()
            assert box.heard == []
            group.start_soon(channel.run, box)
    first, second = box.heard
    assert (first.channel, first.chat, first.text, first.at) == ("family", "1", "hello", 7.0)
    assert (second.chat, second.key, second.sender.id) == ("2/9", "k", "stranger")
    assert told == ["", "Who are you?"]
    assert channel.health().state == "stopped"


async def test_the_channel_remembers_what_it_sent_and_fails_as_planned() -> None:
    channel = FakeChannel()
    channel.fail(SendFailed("flood", retry_after_s=3.0))
    channel.fail(SendUncertain("cut"), arrived=True)
    with pytest.raises(SendFailed, match="flood"):
        await send(channel, "a")
    with pytest.raises(SendUncertain):
        await send(channel, "b")
    assert await send(channel, "c") == ("1",)
    assert [action.text for action in channel.attempts if isinstance(action, Outgoing)] == ["a", "b", "c"]
    assert [message.text for message in await channel.wait_for_sent(2)] == ["b", "c"]


async def test_waiting_for_what_is_sent_later() -> None:
    channel = FakeChannel()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(channel.wait_for_sent, 2)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(send, channel, "a")
            group.start_soon(send, channel, "b")
    assert len(channel.sent) == 2
