"""What every `Model` holds to: the scripted one, OpenAI-compatible endpoints, litellm, and the shipped fake.

Each of them is brought to play the same small part; the provider behind the two SDKs is a real server on loopback that
refuses whatever a strict reading of the chat format refuses.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import pairwise

import anyio
import pytest
from msgspec.structs import replace

from bridge_mcp.core.entries import Call
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.tools import ToolSpec, canonical
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.litellm import LitellmModel
from bridge_mcp.models.litellm_process import LitellmProcess
from bridge_mcp.models.openai import OpenAIModel
from bridge_mcp.models.registry import Adapter
from bridge_mcp.models.script import parse_script
from bridge_mcp.models.scripted import ScriptedModel
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelReply, ModelRequest, OnText
from bridge_mcp.testing import FakeModel, calls, says
from tests.servers.model_apis.answers import Answer, calling, saying
from tests.servers.model_apis.openai_server import OpenAIServer, ReceivedRequest

SCRIPT = r"""
[[rule]]
when = "^list$"
call = [{ tool = "files__list", arguments = { path = "." } }]

[[rule]]
when = "^both$"
say = "Looking twice."
call = [{ tool = "files__list", arguments = { path = "a" } }, { tool = "files__read", arguments = { path = "b" } }]

[[rule]]
when = "^nothing$"
say = "{text}"

[[rule]]
when = "^(?P<none>)silence$"
say = "{none}"

[[rule]]
on = "result"
say = "Seen: {text}"

[default]
say = "You said: {text}"
"""

TOOLS = tuple(
    ToolSpec(f"files__{name}", "files", name, description=f"{name} a file", schema=canonical({"type": "object"}))
    for name in ("list", "read")
)


def play(text: str, role: str) -> ModelReply:
    """The part as a function, for the fake."""
    if role == "tool":
        return says(f"Seen: {text}")
    match text:
        case "list":
            return calls(("files__list", {"path": "."}))
        case "both":
            return calls(("files__list", {"path": "a"}), ("files__read", {"path": "b"}), text="Looking twice.")
        case _:
            return says(f"You said: {text}")


def answer(request: ReceivedRequest) -> Answer:
    """The part as a provider plays it."""
    last = request.body["messages"][-1]
    if last["role"] == "user" and last["content"] == "silence":
        return saying("")
    reply = play(last["content"], last["role"])
    if reply.calls:
        return calling(*((call.tool, call.arguments) for call in reply.calls), text=reply.text or None)
    return saying(reply.text)


def fake(request: ModelRequest) -> ModelReply | ModelFailed:
    last = request.messages[-1]
    return ModelFailed("silence") if last.text == "silence" else play(last.text, last.role)


@dataclass
class Rig:
    model: Adapter | FakeModel
    server: OpenAIServer
    on_text: OnText | None = None
    """Set where the same part is played with somebody looking on."""

    async def reply(self, request: ModelRequest) -> ModelReply:
        return await self.model.reply(request, self.on_text)


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(keys={"sk-contract"}, respond=answer) as running:
        yield running


@pytest.fixture(params=["scripted", "openai", "openai whole", "litellm", "litellm streams", "fake", "fake streams"])
async def rig(request: pytest.FixtureRequest, server: OpenAIServer, litellm: LitellmProcess) -> AsyncIterator[Rig]:
    settings = ModelSettings("default", "openai/gpt-test", api_key="sk-contract", base_url=server.url)
    model: Adapter | None = None
    name, _, how = request.param.partition(" ")
    on_text = print_nothing if how == "streams" else None
    match name:
        case "scripted":
            model = ScriptedModel(parse_script(SCRIPT))
        case "openai":
            model = OpenAIModel(replace(settings, stream=False) if how == "whole" else settings)
        case "litellm":
            model = LitellmModel(settings, litellm)
        case _:
            yield Rig(FakeModel(fake), server, on_text)
    if model is not None:
        await model.warm()
        yield Rig(model, server, on_text)
        await model.close()


def print_nothing(text: str) -> None:
    """Somebody who looks on."""


def asking(*messages: ChatMessage, tools: tuple[ToolSpec, ...] = TOOLS) -> ModelRequest:
    return ModelRequest("default", (ChatMessage("system", "Be brief."), *messages), tools, conversation="local/main")


def user(text: str) -> ChatMessage:
    return ChatMessage("user", text)


def logged(reply: ModelReply) -> tuple[Call, ...]:
    """A reply's calls as the log holds them."""
    return tuple(
        Call(f"3.{index}", call.tool, call.arguments, model_id=call.id) for index, call in enumerate(reply.calls)
    )


async def test_answers_with_text(rig: Rig) -> None:
    reply = await rig.reply(asking(user("hello")))
    assert reply.text == "You said: hello"
    assert reply.calls == ()
    assert reply.model


async def test_answers_without_tools_on_offer(rig: Rig) -> None:
    reply = await rig.reply(asking(user("hello"), tools=()))
    assert reply.text == "You said: hello"


async def test_asks_for_a_call(rig: Rig) -> None:
    reply = await rig.reply(asking(user("list")))
    (call,) = reply.calls
    assert call.tool == "files__list"
    assert json.loads(call.arguments) == {"path": "."}
    assert call.id


async def test_asks_for_several_calls_at_once(rig: Rig) -> None:
    reply = await rig.reply(asking(user("both")))
    assert reply.text == "Looking twice."
    assert [(call.tool, json.loads(call.arguments)) for call in reply.calls] == [
        ("files__list", {"path": "a"}),
        ("files__read", {"path": "b"}),
    ]
    assert len({call.id for call in reply.calls}) == 2


async def test_reads_the_results_of_its_calls(rig: Rig) -> None:
    asked = logged(await rig.reply(asking(user("both"))))
    assistant = ChatMessage("assistant", "Looking twice.", calls=asked)
    results = [ChatMessage("tool", f"result {index}", call=call) for index, call in enumerate(asked)]
    reply = await rig.reply(asking(user("both"), assistant, *results))
    assert reply.text.startswith("Seen: result")
    assert all(not request.problems for request in rig.server.requests)


async def test_takes_a_history_in_which_a_model_misbehaved(rig: Rig) -> None:
    strange = (
        Call("3.0", "files.list dir", '{"path": ', model_id="same"),
        Call("3.1", "files__read", "", model_id="same"),
        Call("3.2", "", "[1]"),
    )
    results = [ChatMessage("tool", "no such tool", call=call) for call in strange]
    reply = await rig.reply(
        asking(
            user(""), ChatMessage("assistant", "", calls=strange), *results, ChatMessage("assistant", "."), user("hi")
        )
    )
    assert reply.text == "You said: hi"
    assert all(not request.problems for request in rig.server.requests)


async def test_an_empty_reply_is_a_failure_that_may_pass(rig: Rig) -> None:
    with pytest.raises(ModelFailed) as failure:
        await rig.reply(asking(user("silence")))
    assert not failure.value.permanent
    assert failure.value.for_chat


async def test_the_same_question_gets_the_same_answer_and_is_left_as_it_was(rig: Rig) -> None:
    request = asking(user("list"))
    before = repr(request)
    first, second = await rig.reply(request), await rig.reply(request)
    assert (first.text, first.calls) == (second.text, second.calls)
    assert repr(request) == before


async def test_whoever_looks_on_sees_the_text_grow(rig: Rig) -> None:
    seen: list[str] = []
    reply = await rig.model.reply(asking(user("hello, and a few words more")), seen.append)
    assert reply.text == "You said: hello, and a few words more"
    assert all(later.startswith(earlier) for earlier, later in pairwise(seen))
    assert len(set(seen)) == len(seen)
    if seen:  # one that answers at once, or was told not to stream, has no foretaste to give
        assert len(seen) > 1
        assert seen[-1] == reply.text


async def test_answers_many_at_once_each_its_own(rig: Rig) -> None:
    replies: dict[int, str] = {}

    async def ask(number: int) -> None:
        replies[number] = (await rig.reply(asking(user(f"number {number}")))).text

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(ask, number)
    assert replies == {number: f"You said: number {number}" for number in range(20)}
