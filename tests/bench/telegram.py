"""Telegram: a message in, the scripted model's reply out, through the whole command and a Telegram on loopback.

Beside it llm-expose, the project before this one, doing the same with a model that answers as quickly. It keeps
nothing; the bridge has committed everything it does three times by then. Where it is not to be had, the reason is told.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from bridge_mcp.assembly import open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.service import OWNER
from tests.bench.figures import Round, Rounds, of_pairs
from tests.bench.origin import ORIGIN, installed, missing_because
from tests.bench.peers import BRIDGE, bridge_folder, environment
from tests.bench.table import Table, amount, milli, verdict
from tests.servers.telegram import TelegramServer, User

__all__ = ["run"]

APART_S = 0.05
"""Between two people, so that Telegram's own limit of thirty messages a second plays no part."""
PATIENCE_S = 60.0
SAID = "when does the tide come back"
WARM = 5

CHANNEL = """
[channels.family]
type = "telegram"
token_env = "BENCH_BOT_TOKEN"
api_base_url = "{url}"
responder = "assistant"
"""

PROGRAM = """\
import asyncio, json, sys
from telegram.ext import ApplicationBuilder
from llm_expose.clients.telegram import TelegramClient
from llm_expose.config.models import ExposureConfig, ProviderConfig, TelegramClientConfig
from llm_expose.core.orchestrator import Orchestrator
from llm_expose.providers.base import BaseProvider

asked = json.loads(sys.argv[1])
plain = ApplicationBuilder.token

def token(self, value):
    # It has no setting for the address.
    return plain(self, value).base_url(asked["url"] + "/bot").base_file_url(asked["url"] + "/file/bot")

ApplicationBuilder.token = token

class Scripted(BaseProvider):
    async def complete(self, messages, *, tools=None, tool_choice=None):
        return "You said: " + messages[-1]["content"]

    async def stream(self, messages, *, tools=None, tool_choice=None):
        yield await self.complete(messages)

client = TelegramClientConfig(bot_token=asked["token"])
config = ExposureConfig(
    name="bench", channel_name="bench", provider=ProviderConfig(provider_name="local", model="scripted"), client=client
)
asyncio.run(Orchestrator(config, Scripted(), TelegramClient(client, None)).run())
"""


@dataclass(frozen=True, slots=True)
class Bot:
    """A program that answers on a Telegram of its own."""

    server: TelegramServer
    people: Sequence[User]


def run(quick: bool) -> list[Table]:
    rounds, people, crowd = (2, 10, 30) if quick else (5, 40, 100)
    with ExitStack() as stack:
        ours = stack.enter_context(bridge(rounds * people + WARM + crowd))
        theirs, missing = None, "left out of a quick run"
        if not quick:
            try:
                theirs = stack.enter_context(origin(rounds * people + WARM + crowd))
            except (OSError, RuntimeError, subprocess.SubprocessError) as exc:
                missing = missing_because(exc)
        return [table(*anyio.run(partial(measured, ours, theirs, rounds, people, crowd)), missing)]


def table(ours: Rounds, theirs: Rounds, rate: float, other: float, missing: str) -> Table:
    reference = ("-", "-", "-")
    goal = ("-", "-")
    if theirs.rounds:
        reference = (milli(theirs.p50), milli(theirs.p99), f"{amount(other)}/s")
        pairs = of_pairs(ours.medians, theirs.medians)
        goal = (verdict(pairs, 1.0, "1.00x"), f"{pairs:.2f}x")
    notes = [
        "the origin keeps nothing; the bridge's reply is on disk, with everything before it, when it goes out",
        "the bridge keeps Telegram's pace of about thirty messages a second, the origin does not",
    ]
    return Table(
        "telegram: a message in, the scripted model, sendMessage out; whole commands; medians",
        ("", "bridge", "origin", "goal"),
        (
            ("arrival to sendMessage, p50", milli(ours.p50), reference[0], goal[0]),
            ("arrival to sendMessage, p99", milli(ours.p99), reference[1], goal[1]),
            ("replies/s to everybody at once", f"{amount(rate)}/s", reference[2], "-"),
        ),
        notes=tuple(notes if theirs.rounds else [f"{ORIGIN}: {missing}", *notes[1:]]),
    )


async def measured(
    ours: Bot, theirs: Bot | None, rounds: int, people: int, crowd: int
) -> tuple[Rounds, Rounds, float, float]:
    """Both in turn, round by round."""
    bots = [ours, *([theirs] if theirs else [])]
    found = {id(bot): Rounds() for bot in bots}
    for bot in bots:
        await one_by_one(bot, bot.people[:WARM])
    for number in range(rounds):
        first = WARM + number * people
        for bot in bots:
            found[id(bot)].rounds.append(await one_by_one(bot, bot.people[first : first + people]))
    await anyio.sleep(1.2)
    rates = [await all_at_once(bot, bot.people[-crowd:]) for bot in bots]
    return found[id(ours)], found[id(theirs)] if theirs else Rounds(), rates[0], rates[-1]


async def one_by_one(bot: Bot, people: Sequence[User]) -> Round:
    """Each says something and waits for the answer: from its arrival to the request that sends it."""
    each: list[float] = []
    for person in people:
        begun = time.perf_counter()
        await person.sends(person.dm, SAID)
        await person.dm.bot_says(1, PATIENCE_S)
        each.append(time.perf_counter() - begun)
        await anyio.sleep(APART_S)
    return Round(each, sum(each))


async def all_at_once(bot: Bot, people: Sequence[User]) -> float:
    """Answers per second when everybody writes at the same time."""
    begun = time.perf_counter()
    for person in people:
        await person.sends(person.dm, SAID)
    for person in people:
        await person.dm.bot_says(1, PATIENCE_S)
    return len(people) / (time.perf_counter() - begun)


@contextmanager
def program(command: Sequence[str], settings: dict[str, str], ready: Callable[[], object]) -> Generator[None]:
    """A program while it runs, from when it asks for updates."""
    child = subprocess.Popen(command, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + PATIENCE_S
        while not ready():
            if child.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"{command[0]} did not come up")
            time.sleep(0.05)
        yield
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def bridge(count: int) -> Generator[Bot]:
    """The whole command, its chats let in before."""
    with TelegramServer() as server:
        people = [server.user(f"P{number}") for number in range(count)]
        with bridge_folder("assistant", CHANNEL.format(url=server.url)) as settings:
            settings |= {"BENCH_BOT_TOKEN": server.token}
            anyio.run(let_in, settings, people)
            with program((*BRIDGE, "serve"), settings, lambda: server.polling):
                yield Bot(server, people)


async def let_in(settings: dict[str, str], people: Sequence[User]) -> None:
    async with open_bridge(load_config(env=settings), engine="never") as assembly:
        for person in people:
            await assembly.bridge.pair_chat(OWNER, channel="family", chat=str(person.id))


@contextmanager
def origin(count: int) -> Generator[Bot]:
    """llm-expose in an environment of its own."""
    with tempfile.TemporaryDirectory(prefix="bridge-mcp-bench-") as name, TelegramServer() as server:
        folder = Path(name)
        people = [server.user(f"P{number}") for number in range(count)]
        python = installed(folder / "venv")
        pairs = {"pairs_by_channel": {"bench": [str(person.id) for person in people]}}
        (folder / "pairs.yaml").write_text(json.dumps(pairs), encoding="utf-8")
        settings = environment() | {"LLM_EXPOSE_CONFIG_DIR": name, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        settings.pop("PYTHONPATH")
        asked = json.dumps({"url": server.url, "token": server.token})
        with program((python, "-c", PROGRAM, asked), settings, lambda: server.polling):
            yield Bot(server, people)
