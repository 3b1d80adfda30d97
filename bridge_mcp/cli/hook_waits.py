"""The second half of a hook: what waits for people, once the call stands in the log."""

from __future__ import annotations

import gc
from asyncio import Event
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

import anyio

from bridge_mcp.assembly import Assembly, open_bridge
from bridge_mcp.cli.hook import HookOptions, said
from bridge_mcp.cli.run import loop, prepare
from bridge_mcp.cli.texts import hosts as texts
from bridge_mcp.config import Config
from bridge_mcp.core.entries import Finished
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.hooks.after import ELSEWHERE, record_news
from bridge_mcp.hooks.events import Ended, Outcome, Permission
from bridge_mcp.hooks.filing import prefix_of
from bridge_mcp.hooks.hosts import Host
from bridge_mcp.hooks.open_calls import OVER
from bridge_mcp.hooks.people import People
from bridge_mcp.hooks.questions import Questions
from bridge_mcp.hooks.stored_requests import write_request
from bridge_mcp.hooks.waiting import Waiting
from bridge_mcp.operations.external_calls import ONLY_CALL, Begun, ExternalCalls, Request, lapse
from bridge_mcp.operations.relayed_prompts import answered_elsewhere
from bridge_mcp.server.stdio.lifetime import stop_on_signals, wait_until_orphaned

if TYPE_CHECKING:
    from bridge_mcp.hooks.hosts import Answer

__all__ = ["question", "settings", "tell", "wait"]


def settings(options: HookOptions) -> Config:
    """The configuration.

    Raises:
        ConfigError: it is off.
    """
    gc.enable()
    return prepare(options.config, None, "error")


def wait(options: HookOptions, host: Host, call: Permission, caller: str, conversation: str) -> int:
    """Wait for the verdict on a call, and tell it; the exit code.

    `conversation` is its log, and `caller` this process's name there; both are empty where it has yet to be written.
    """

    async def body(config: Config) -> int:
        async with (
            open_bridge(config, engine="never") as assembly,
            nullcontext(caller) if caller else assembly.callers.held() as lock,
        ):
            bridge = assembly.bridge
            calls = ExternalCalls(assembly.store, bridge.rules, bridge.clock, caller=lock)
            place = conversation or await written(calls, host, call, lock)
            waiting = Waiting(
                calls,
                host,
                call,
                conversation=place,
                engine_lives=bridge.engine_runs,
                reaches=people(assembly).reaches,
            )
            answer, begun = None, None
            async with while_wanted() as gone:
                answer, begun = await waiting.answer(options.wait_s)
            if gone.is_set():
                await lapse(assembly.store, place, Finished(ONLY_CALL, "undelivered", texts.AGENT_GONE))
                return 0
            return await delivered(calls, answer, begun)

    return loop(body, settings(options))


async def written(calls: ExternalCalls, host: Host, call: Permission, caller: str) -> str:
    """Write a call down by the store itself; its log."""

    async def ask(request: Request) -> str:
        await calls.ask(request)
        return request.conversation

    return await write_request(host, call, caller, ask)


async def delivered(calls: ExternalCalls, answer: Answer, begun: Begun | None) -> int:
    """Tell the host; where it is gone, its log says that the verdict did not reach it."""
    try:
        return said(answer)
    except OSError:
        if begun is not None:
            await calls.finish(begun, Finished(begun.call, "undelivered", texts.AGENT_GONE))
        return 1


@asynccontextmanager
async def while_wanted() -> AsyncGenerator[Event]:
    """End what is within, and set the event, once the host does not want it: it sends a signal, or is gone itself."""
    gone = Event()
    failure: BridgeError | None = None
    with stop_on_signals(gone):
        async with anyio.create_task_group() as tasks:

            async def end() -> None:
                await gone.wait()
                tasks.cancel_scope.cancel()

            async def follow_host() -> None:
                await wait_until_orphaned()
                gone.set()

            tasks.start_soon(end)
            tasks.start_soon(follow_host)
            try:
                yield gone
            except BridgeError as exc:  # not wrapped into a group
                failure = exc
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


def question(options: HookOptions, host: Host, call: Permission) -> Answer:
    """Ask people what an agent wants to know."""

    async def body(config: Config) -> Answer:
        async with open_bridge(config, engine="never") as assembly:
            asker = people(assembly)
            conversation = await asker.conversation(host, call.tool)
            bridge = assembly.bridge
            async with assembly.callers.held() as caller:
                calls = ExternalCalls(assembly.store, bridge.rules, bridge.clock, caller=caller)
                questions = Questions(
                    bridge,
                    calls,
                    host,
                    call=call,
                    conversation=conversation,
                    engine_lives=bridge.engine_runs,
                    decides=asker.may_decide,
                )
                async with while_wanted():
                    return await questions.answer(options.wait_s)
            return host.fallback(call, texts.AGENT_GONE)

    return loop(body, settings(options))


def tell(options: HookOptions, host: Host, news: Outcome | Ended) -> int:
    """Write into the logs what a hook after a call tells; how many it concerned."""

    async def body(config: Config) -> int:
        async with open_bridge(config, engine="never") as assembly:
            last = await assembly.store.log.last_kinds(prefix_of(host, news.session))
            recorded = await record_news(
                assembly.store, tuple(name for name, kind in last.items() if kind not in OVER), news
            )
            if recorded or not isinstance(news, Outcome):
                return recorded
            # Its prompt may be one that the host's channel has relayed, which nobody else tells that it is answered.
            outcome = Finished(ONLY_CALL, "undelivered" if news.refused else "error" if news.error else "ok", ELSEWHERE)
            return await answered_elsewhere(assembly.store, f"channel:{host.name}", news.tool, news.arguments, outcome)

    return loop(body, settings(options))


def people(assembly: Assembly) -> People:
    """Who is there to decide."""
    bridge = assembly.bridge
    return People(assembly.store, bridge.rules, bridge.traits, clients=assembly.config.visitors)
