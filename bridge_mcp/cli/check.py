"""The command `check`: looks at everything a bridge needs, really, and says how to mend what is wrong."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated

import anyio.to_thread
from cyclopts import Parameter
from rich.text import Text

from bridge_mcp.assembly import WallClock, make_channels, open_bridge
from bridge_mcp.channels.registry import Plug
from bridge_mcp.cli.common import USUAL, Common, Json
from bridge_mcp.cli.database_findings import database_findings
from bridge_mcp.cli.door_findings import claude_channel, doors, exposed
from bridge_mcp.cli.findings import Finding, clients, patterns
from bridge_mcp.cli.host_findings import host_findings
from bridge_mcp.cli.output import Hanging, console, drawn, indented, print_json
from bridge_mcp.cli.run import loop, not_taken
from bridge_mcp.cli.texts import checks as texts
from bridge_mcp.config import Config
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.offer import too_many_tools
from bridge_mcp.core.safe_text import visible
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.engine_lock import PulseFile, engine_lives, owner_of
from bridge_mcp.models.settings import SCRIPTED
from bridge_mcp.operations.approver_check import ApproverCheck
from bridge_mcp.operations.engine_liveness import silence, troubles
from bridge_mcp.operations.event_callbacks import failing_callbacks
from bridge_mcp.operations.owners_chat import owners_chat
from bridge_mcp.paths import make_private
from bridge_mcp.ports import HeldBack, Store, StoreHealth

__all__ = ["check"]

CLAUDE_CHANNEL = "stdio/claude-channel"
"""The consumer of Claude Code's channel (`server.protocol.claude_channel`), as the feed knows it."""
LOOK_S = 10.0
"""How long the schemas of tools are looked at."""


def check(
    *,
    ask: Annotated[bool, Parameter(negative="--no-ask", help="Ask each model for one short answer.")] = True,
    json: Json = False,
    common: Common = USUAL,
) -> int:
    """Check configuration, secrets, store, models and tool servers. Exit code 1 if anything is wrong.

    What can be looked at is looked at, whatever else is wrong. Each model is asked for one short answer, which costs a
    few tokens; with --no-ask only what can be told without asking is told.
    """
    try:
        config, wrong = common.examine("error")
    except BridgeError as exc:
        return print_findings([Finding("settings", False, str(exc))], json)
    return loop(run, config, wrong, ask, json)


async def run(config: Config, wrong: BridgeError | None, ask: bool, json: bool) -> int:
    """Look at everything; print each finding when it is known."""
    findings = [Finding("settings", wrong is None, str(wrong or config.where))]
    if not json:
        print_findings(findings, json)
    async for finding in all_findings(config, ask, whole=wrong is None):
        findings.append(finding)
        if not json:
            print_findings([finding], json)
    if json:
        return print_findings(findings, json)
    return 0 if all(finding.fine for finding in findings) else 1


def print_findings(findings: list[Finding], json: bool) -> int:
    """Print findings; 1 if one is bad."""
    if json:
        print_json(findings)
    out = console()
    good, bad = (drawn("✓", "+") + " ", "green"), (drawn("✗", "x") + " ", "bold red")
    for finding in [] if json else findings:
        mark = ("! ", "yellow") if finding.warning else good if finding.fine else bad
        first, *rest = visible(finding.told, lines=True).split("\n")
        out.print(Hanging(Text.assemble(mark, (f"{finding.what:<12} ", "bold")), Text(first)))
        for line in rest:
            out.print(indented(Text(line.strip()), 4))
    return 0 if all(finding.fine for finding in findings) else 1


async def all_findings(config: Config, ask: bool, *, whole: bool) -> AsyncIterator[Finding]:
    """All findings behind the settings themselves; where these are not `whole`, nothing is made."""
    if config.passed_over:
        yield Finding("settings", True, not_taken(config.passed_over), warning=True)
    yield Finding("secrets", True, texts.secrets_known(len(config.secrets)))
    async for finding in store_findings(config, whole=whole):
        yield finding
    yield channels(config)
    for finding in (*clients(config), *await held_back(config), *host_findings()):
        yield finding
    for finding in (*exposed(config), *quorums(config), *await door_findings(config), *await callbacks(config)):
        yield finding
    async for finding in platforms(config):
        yield finding
    async for finding in models(config, ask):
        yield finding
    async for finding in tool_servers(config):
        yield finding


async def store_findings(config: Config, *, whole: bool) -> AsyncIterator[Finding]:
    """The store, and who works on it."""
    if config.store.lacking:
        yield Finding("store", False, config.store.lacking)
        return
    if config.store.is_postgres:
        async for finding in database_findings(config):
            yield finding
    elif whole or config.store_path.exists():
        try:
            make_private(config.state_dir)
        except BridgeError as exc:
            yield Finding("store", False, str(exc))
            return
        for finding in engine(config):
            yield finding
        async for finding in store(config):
            yield finding
    else:
        return
    if (differs := await other_settings(config)) and config.source:
        yield Finding("engine", True, differs, warning=True)


async def store(config: Config) -> AsyncIterator[Finding]:
    """Whether the store opens, which version it has, whether it can be written, and what of it is damaged."""
    from bridge_mcp.stores.sqlite import open_store
    from bridge_mcp.stores.sqlite.migrate import schema_version

    path = config.store_path
    try:
        empty = path.exists() and not path.stat().st_size
        before = schema_version(path)
        owner = partial(owner_of, config.lock_path, PulseFile(config.lock_path))
        opened = await open_store(path, clock=WallClock(), owner=owner)
        try:
            await opened.status.put("checked", WallClock().now())
            damage = await opened.damage()
        finally:
            await opened.close()
        after = schema_version(path)
    except (BridgeError, OSError) as exc:
        yield Finding("store", False, str(exc))
        return
    opens = texts.store_opens(path, version=after or 0, before=before)
    yield Finding("store", not damage, texts.store_damaged(path, damage) if damage else opens)
    if empty:
        yield Finding("store", True, texts.store_was_empty(path), warning=True)


def engine(config: Config) -> list[Finding]:
    """Whether a process is the engine, and when it was last heard of."""
    pulse, now = PulseFile(config.lock_path).read(), WallClock().now()
    try:
        lives = engine_lives(config.lock_path)
    except BridgeError as exc:
        return [Finding("engine", False, str(exc))]
    if not lives:
        return [Finding("engine", True, texts.NO_ENGINE)]
    if silent := silence(pulse, now):
        return [Finding("engine", False, silent)]
    wrong = list(troubles(pulse, StoreHealth(), now))
    last_seen = texts.engine_seen(pulse.pid, max(0.0, now - pulse.at)) if pulse else texts.ENGINE_RUNS
    last_write = texts.seconds_ago(max(0.0, now - pulse.written_at)) if pulse and pulse.written_at else ""
    wrote = texts.engine_wrote(last_write) if last_write else ""
    return [Finding("engine", not wrong, " ".join([f"{last_seen}{wrote}.", *wrong]))]


async def other_settings(config: Config) -> str:
    """Where an engine runs that read other settings."""
    try:
        async with open_bridge(config, engine="never") as assembly:
            return await assembly.bridge.other_settings()
    except BridgeError:
        return ""  # what is wrong with the store was told


def quorums(config: Config) -> Iterator[Finding]:
    """Where calls take more people than [people] names: nobody could ever let them run."""
    rules = config.rules
    places = {"approvals.quorum": rules.asking.quorum}
    sections = {"approvals": rules.tools} | {f"channels.{name}": c.tools for name, c in rules.channels.items()}
    for section, tools in sections.items():
        places |= {f'{section}.tools."{rule.pattern}".quorum': rule.says.get("quorum", 1) for rule in tools}
    people = len(set(rules.people.names.values()))
    for key, quorum in places.items():
        if quorum > max(1, people):
            yield Finding("people", False, texts.quorum_too_large(key, quorum, people))


def channels(config: Config) -> Finding:
    """Which channels there are."""
    listed = ", ".join(texts.named(name, type_label(section.plug)) for name, section in config.channels.items())
    return Finding("channels", True, listed or texts.NONE)


def type_label(plug: Plug) -> str:
    """A type of channel, and the package that brings it where it is not built in."""
    return texts.brought_by(plug.name, plug.distribution) if plug.distribution else plug.name


async def platforms(config: Config) -> AsyncIterator[Finding]:
    """What each channel's platform says of its account, and whether it is set up there as the channel wants it."""
    for name, section in config.channels.items():
        if section.lacking:
            yield Finding(f"channel {name}", False, section.lacking)
        elif section.plug.type.probe is not None:
            try:
                async for probed in section.plug.type.probe(section.settings, WallClock()):
                    yield Finding(f"channel {name}", probed.fine, probed.told)
            except Exception as exc:
                failure = texts.probe_failed(type_label(section.plug), kind=type(exc).__name__, reason=exc)
                yield Finding(f"channel {name}", False, failure)


async def models(config: Config, ask: bool) -> AsyncIterator[Finding]:
    """Whether every model answers; without `ask`, whether it could be asked."""
    if not config.models:
        yield Finding("models", True, texts.NO_MODELS)
        return
    from bridge_mcp.models.resolve import answer_of, complaint

    for name, settings in config.models.items():
        wrong = settings.lacking or await anyio.to_thread.run_sync(complaint, settings)
        if wrong or settings.model == SCRIPTED:
            yield Finding(f"model {name}", not wrong, wrong or settings.model)
        elif not ask:
            yield Finding(f"model {name}", True, texts.not_asked(settings.model))
        else:
            wrong = await answer_of(settings)
            yield Finding(f"model {name}", not wrong, wrong or texts.answers(settings.model))


async def tool_servers(config: Config) -> AsyncIterator[Finding]:
    """Whether every tool server can be connected: all of them are, for a moment, side by side."""
    from bridge_mcp.toolservers.toolbox import NestedToolbox

    if not config.tool_servers:
        return
    longest = max(server.connect_timeout_s for server in config.tool_servers) + 2
    async with NestedToolbox(config.tool_servers, clock=WallClock()) as toolbox:
        await toolbox.ready(frozenset(server.name for server in config.tool_servers), longest)
        await toolbox.look(LOOK_S)
        statuses = toolbox.status()
        tools = toolbox.tools()
        stuck = await approvals(config, tools)
    for status in statuses:
        fine = status.state == "ready"
        text = texts.connected(status.tools) if fine else status.error or texts.still(status.state)
        warned = fine and bool(status.error)
        yield Finding(f"server {status.name}", fine, f"{text}. {status.error}" if warned else text, warning=warned)
    for finding in patterns(config, tools, frozenset(s.name for s in statuses if s.state == "ready")):
        yield finding
    for channel, text in (*stuck.items(), *too_many(config, tools)):
        yield Finding(f"channel {channel}", True, text, warning=True)


def too_many(config: Config, tools: Sequence[ToolSpec]) -> Iterator[tuple[str, str]]:
    """The channels whose assistant has more tools than a request holds, and what that means."""
    for name, rules in config.rules.channels.items():
        warning = too_many_tools(sum(rules.has_server(spec.server) for spec in tools))
        if warning and rules.responder == "assistant":
            yield name, warning


async def door_findings(config: Config) -> tuple[Finding, ...]:
    """Whether anybody could decide on the calls of doors."""
    async with readable_store(config) as store:
        used = store is not None and await store.feed.acknowledge(CLAUDE_CHANNEL, -1) > 0
    async with approvers(config) as check:
        return (*claude_channel(config, used=used), *(() if check is None else doors(config, *check)))


async def held_back(config: Config) -> tuple[Finding, ...]:
    """Clients, grants and pairings of a restored store that are off."""
    async with readable_store(config) as store:
        held = HeldBack() if store is None else await store.restoring.held_back()
    if not held:
        return ()
    text = texts.held_back(len(held.clients), grants=len(held.grants), pairings=len(held.pairings))
    return (Finding("clients", True, text, warning=True),)


async def callbacks(config: Config) -> tuple[Finding, ...]:
    """Which callbacks of clients fail to take their events."""
    if not config.rules.events.webhooks:
        return ()
    async with readable_store(config) as store:
        failing = () if store is None else await failing_callbacks(store)
    return tuple(Finding("events", True, warned.text, warning=True) for warned in failing)


async def approvals(config: Config, tools: Sequence[ToolSpec]) -> dict[str, str]:
    """By channel: which calls would wait for nobody; nothing where the store cannot tell who is let in."""
    async with approvers(config) as check:
        return {} if check is None else check[0].complaints(tools)


@asynccontextmanager
async def approvers(config: Config) -> AsyncGenerator[tuple[ApproverCheck, str] | None]:
    """Who is let in, and where calls of doors are asked about; None where the store cannot tell."""
    async with readable_store(config) as store:
        if store is None:
            yield None
            return
        pairings, stored = await store.access.pairings(), await store.clients.all()
        traits = {name: channel.traits for name, channel in make_channels(config.channels, WallClock()).items()}
        clients = [*config.visitors, *(client.principal for client in stored)]
        check = ApproverCheck(config.rules, traits, pairings, clients=clients)
        yield check, await owners_chat(store.access, traits)


@asynccontextmanager
async def readable_store(config: Config) -> AsyncGenerator[Store | None]:
    """The store; None where there is none yet, or it does not open, which is told elsewhere."""
    from bridge_mcp.stores.opening import open_store

    exists = not config.store.lacking and (config.store.is_postgres or config.store_path.exists())
    try:
        address = config.store
        store = await open_store(address.url, clock=WallClock(), direct_url=address.direct_url) if exists else None
    except BridgeError:
        store = None
    try:
        yield store
    finally:
        if store is not None:
            await store.close()
