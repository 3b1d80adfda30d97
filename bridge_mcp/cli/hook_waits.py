"""The second half of a hook: what waits for people, once the call stands in the log."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from bridge_mcp.assembly import Assembly, WallClock, open_bridge
from bridge_mcp.callers import CallerLock
from bridge_mcp.cli.hook import HookOptions, said
from bridge_mcp.cli.run import loop, prepare
from bridge_mcp.config import Config
from bridge_mcp.core.codec import decode
from bridge_mcp.core.entries import Finished, Requested
from bridge_mcp.core.errors import BridgeError, Conflict
from bridge_mcp.hooks import filing
from bridge_mcp.hooks.after import told
from bridge_mcp.hooks.events import Ended, Outcome, Permission
from bridge_mcp.hooks.hosts import Host
from bridge_mcp.hooks.open_calls import open_calls
from bridge_mcp.hooks.people import People
from bridge_mcp.hooks.questions import Questions
from bridge_mcp.hooks.waiting import Waiting
from bridge_mcp.operations.external_calls import ONLY_CALL, Begun, ExternalCalls, Request, lapse
from bridge_mcp.place import engine_lives

if TYPE_CHECKING:
    from bridge_mcp.hooks.hosts import Answer

__all__ = ["question", "settings", "tell", "wait"]

GONE = "The agent was gone before its hook could answer: not delivered."
ENDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) if hasattr(signal, "SIGHUP") else (signal.SIGTERM, signal.SIGINT)
ORPHAN_S = 1.0
"""How often it is looked whether the agent still is there."""


def settings(options: HookOptions) -> Config:
    """The configuration.

    Raises:
        ConfigError: it is off.
    """
    gc.enable()
    return prepare(options.config, None, "error")


def wait(options: HookOptions, host: Host, call: Permission, caller: str, conversation: str) -> int:
    """Wait for the verdict on a call, and tell it; the exit code.

    `conversation` is its log; empty where it has yet to be written down.
    """

    async def body(config: Config) -> int:
        async with open_bridge(config, engine="never") as assembly:
            calls = ExternalCalls(assembly.store, assembly.bridge.rules, WallClock(), caller=caller)
            where = conversation or await written(calls, host, call, caller)
            waiting = Waiting(
                calls,
                host,
                call,
                conversation=where,
                engine_lives=lambda: engine_lives(config.lock_path),
                reaches=people(assembly).hear_of,
            )
            answer, begun = None, None
            async with while_wanted() as gone:
                answer, begun = await waiting.answer(options.wait_s)
            if gone():
                await lapse(assembly.store, where, Finished(ONLY_CALL, "undelivered", GONE))
                return 0
            return await delivered(calls, answer, begun)

    return loop(body, settings(options))


async def written(calls: ExternalCalls, host: Host, call: Permission, caller: str) -> str:
    """Write a call down by the store itself; its log."""
    arguments = filing.canonical(call.arguments)
    entry = decode(filing.body_of(host, call, arguments, caller))
    assert isinstance(entry, Requested)
    number = 0
    while True:
        conversation = filing.conversation_of(host, call.session, call.tool, arguments, number)
        try:
            await calls.ask(Request(conversation, entry))
        except Conflict:
            number += 1
        else:
            return conversation


async def delivered(calls: ExternalCalls, answer: Answer, begun: Begun | None) -> int:
    """Tell the host; where it is gone, its log says that the verdict did not reach it."""
    try:
        return said(answer)
    except OSError:
        if begun is not None:
            await calls.finish(begun, Finished(begun.call, "undelivered", GONE))
        return 1


@asynccontextmanager
async def while_wanted() -> AsyncGenerator[Callable[[], bool]]:
    """End what is within as soon as the host does not want it any more: it says so by a signal, or is gone itself."""
    parent, over = os.getppid(), False
    failure: BridgeError | None = None
    async with anyio.create_task_group() as tasks:

        async def signals() -> None:
            nonlocal over
            with anyio.open_signal_receiver(*ENDED) as received:
                async for _ in received:
                    over = True
                    tasks.cancel_scope.cancel()

        async def orphaned() -> None:
            nonlocal over
            while True:
                await anyio.sleep(ORPHAN_S)
                if os.getppid() != parent:
                    break
            over = True
            tasks.cancel_scope.cancel()

        tasks.start_soon(signals)
        tasks.start_soon(orphaned)
        try:
            yield lambda: over
        except BridgeError as exc:  # not wrapped into a group
            failure = exc
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


def question(options: HookOptions, host: Host, call: Permission) -> Answer:
    """Ask people what an agent wants to know."""

    async def body(config: Config) -> Answer:
        async with open_bridge(config, engine="never") as assembly:
            found = people(assembly)
            place = await found.place(host, call.tool)
            with CallerLock(config.callers_path) as lock:
                calls = ExternalCalls(assembly.store, assembly.bridge.rules, WallClock(), caller=lock.name)
                questions = Questions(
                    assembly.bridge,
                    calls,
                    host,
                    call=call,
                    place=place,
                    engine_lives=lambda: engine_lives(config.lock_path),
                    decides=found.may_decide,
                )
                async with while_wanted():
                    return await questions.answer(options.wait_s)
            return host.fallback(call, GONE)

    return loop(body, settings(options))


def tell(options: HookOptions, host: Host, news: Outcome | Ended) -> int:
    """Write into the logs what a hook after a call tells; how many it concerned."""

    async def body(config: Config) -> int:
        async with open_bridge(config, engine="never") as assembly:
            path = str(config.store_path)
            return await told(assembly.store, open_calls(path, host, news.session), news)

    return loop(body, settings(options))


def people(assembly: Assembly) -> People:
    """Who is there to decide."""
    bridge = assembly.bridge
    return People(assembly.store, bridge.rules, bridge.traits, clients=assembly.config.visitors)
