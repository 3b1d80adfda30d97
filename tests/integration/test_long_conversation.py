"""Thousands of turns through a small window: each request fits, is valid, and costs what the first ones cost.

The server counts tokens with OpenAI's own encoding and refuses what does not fit: nothing of the bridge's estimate is
in that count.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bridge_mcp.core.entries import Failed, Logged, Started, Summarised, Usage
from bridge_mcp.core.messages import ChatMessage
from bridge_mcp.core.summary import TASK
from bridge_mcp.core.tools import JSON
from bridge_mcp.models.openai_format import chat_body
from bridge_mcp.models.registry import Models
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import Capacity, ChannelRules, ModelReply, ModelRequest
from bridge_mcp.testing import FakeModel, FakeToolbox, calls
from tests.integration.counting import request_tokens
from tests.integration.setup import World, rules_for, world
from tests.servers.model_apis.answers import Answer, calling, saying
from tests.servers.model_apis.chat_format import chat_problems
from tests.servers.model_apis.openai_server import OpenAIServer, ReceivedRequest

WINDOW = 8_192
WORK = 50_000
"""Numbers that are summed up as the fixed piece of work: a millisecond or two."""
WORDS = (
    "bread milk 14.50 EUR Wednesday, grüße; \"quoted\" {'json': [1, 2, 3]} 買い物 https://example.org/a?b=c\n".split(
        " "
    )
)
RULES = rules_for(channels={"local": ChannelRules("local", "assistant", system_prompt="Be kind.", history_limit=1_000)})


def words(seed: int, least: int, most: int) -> str:
    """Some text, another one for each seed."""
    rng = random.Random(seed)
    return " ".join(rng.choices(WORDS, k=rng.randint(least, most)))


def toolbox() -> FakeToolbox:
    made = FakeToolbox()
    schema: Mapping[str, JSON] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}

    @made.tool("files__read", read_only=True, schema=schema)
    async def _read(arguments: Mapping[str, JSON]) -> str:
        number = int(str(arguments["n"]))
        return words(number, 10, 6_000 if number % 3 == 0 else 200)

    return made


@dataclass
class Script:
    """What the model says: each seventh turn begins with two calls; now and then it says a lot."""

    turn: int = 0
    summaries: int = 0

    def wants_calls(self, last_role: str) -> bool:
        return last_role == "user" and self.turn % 7 == 0

    @property
    def calls(self) -> tuple[tuple[str, Mapping[str, JSON]], ...]:
        return (("files__read", {"n": self.turn}), ("files__read", {"n": self.turn + 1}))

    @property
    def text(self) -> str:
        return words(self.turn, 5, 400 if self.turn % 11 == 0 else 60)

    @property
    def summary(self) -> str:
        self.summaries += 1
        return f"Summary {self.summaries}: {words(self.summaries, 50, 200)}"


@dataclass
class Taken:
    """What each turn took of the loop's own CPU, beside a fixed piece of work: a busy machine slows both alike."""

    cpu: list[float] = field(default_factory=list[float])

    async def turns(self, it: World, script: Script, count: int) -> None:
        for _ in range(count):
            script.turn += 1
            began = time.thread_time()
            await it.settled(f"{script.turn}: {words(script.turn, 3, 300 if script.turn % 13 == 0 else 40)}")
            ended = time.thread_time()
            sum(range(WORK))
            self.cpu.append((ended - began) / (time.thread_time() - ended))

    def median(self, first: int, last: int) -> float:
        return statistics.median(self.cpu[first:last])


def check_log(log: tuple[Logged, ...], summaries: int) -> None:
    """No request was found too long, no summary failed, and the log keeps them all."""
    entries = [each.entry for each in log]
    assert not [entry for entry in entries if isinstance(entry, Failed)]
    summed = [entry for entry in entries if isinstance(entry, Summarised)]
    assert len(summed) == summaries
    assert len([entry for entry in entries if isinstance(entry, Started) and entry.effect == "summary"]) == summaries


@pytest.fixture(autouse=True)
def tokenizer() -> None:
    """Loaded before the first turn, whose time is no loader's: it takes seconds on a busy machine."""
    request_tokens({"messages": [{"role": "user", "content": "hi"}]})


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where the system has such a place: the disk's pace says nothing of ours."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as made:
        yield Path(made)


async def test_at_the_server_every_request_fits_and_is_valid(folder: Path) -> None:
    """The part over a socket, with the whole way of a request."""
    script, taken, largest = Script(), Taken(), 0

    def respond(request: ReceivedRequest) -> Answer:
        nonlocal largest
        largest = max(largest, request.tokens)
        server.requests.clear()
        if request.body["messages"][0]["content"] == TASK:
            return saying(script.summary)
        if script.wants_calls(request.body["messages"][-1]["role"]):
            return calling(*script.calls)
        return saying(script.text)

    with OpenAIServer(respond=respond, tokens_of=request_tokens, window=WINDOW * 3 // 4) as server:
        models = Models({"default": ModelSettings("default", "m", base_url=server.url, context_tokens=WINDOW)})
        async with world(folder, models, toolbox(), rules=RULES) as it:
            await taken.turns(it, script, 400)
            log = await it.store.log.load("local/main")
        await models.close()
    assert WINDOW // 3 < largest <= WINDOW * 3 // 4, "the window is used, and kept to"
    assert script.summaries > 5
    check_log(tuple(log), script.summaries)


@pytest.mark.slow
async def test_thousands_of_turns_cost_what_the_first_ones_cost(folder: Path, full: bool) -> None:
    hundreds = 50 if full else 10
    script, taken = Script(), Taken()
    counts: list[int] = []
    problems: list[str] = []

    def reply(request: ModelRequest) -> ModelReply:
        body = chat_body("m", request, {})
        problems.extend(chat_problems(body))
        counts.append(request_tokens(body))
        usage = Usage(input_tokens=counts[-1], cost_usd=0.0)
        last: ChatMessage = request.messages[-1]
        if request.messages[0].text == TASK:
            return ModelReply(script.summary, usage=usage)
        if script.wants_calls(last.role):
            return ModelReply("", calls(*script.calls).calls, usage=usage)
        return ModelReply(script.text, usage=usage)

    model = FakeModel(reply)
    model.able = Capacity(WINDOW)
    async with world(folder, model, toolbox(), rules=RULES) as it:
        for _ in range(hundreds):
            await taken.turns(it, script, 100)
            model.requests.clear()
        log = await it.store.log.load("local/main")
    assert problems == []
    assert max(counts) <= WINDOW * 3 // 4
    assert statistics.median(counts) > WINDOW // 5
    assert script.summaries > 2 * hundreds
    check_log(tuple(log), script.summaries)
    early, late = taken.median(200, 500), taken.median(100 * hundreds - 300, 100 * hundreds)
    assert late < 1.5 * early, f"a turn costs {late:.2f} fixed pieces of work at the end, {early:.2f} at first"
