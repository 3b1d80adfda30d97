"""The warnings of a status: what is wrong, in words for the owner, and what helps, for faces that can offer it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from bridge_mcp.core.results import ChannelInfo, Fix, ToolList, Trouble
from bridge_mcp.operations.status_board import EngineInfo
from bridge_mcp.ports import ModelHealth

__all__ = ["CHECK", "Looked", "Warned", "warnings"]

CHECK = Fix(paste="bridge-mcp check")
"""It looks at everything, and says of each thing what to do."""


class Warned(Struct, frozen=True):
    """One warning. `text` has its next move in words, too."""

    text: str
    fix: Fix = Fix()


class Looked(Struct, frozen=True):
    """What the warnings are about: what the engine published last, and what the store tells.

    `told` is the last published engine, `lives` whether there is one now, `starting` whether one is about to start.
    The mappings are by channel, but `failing` (by what it concerns) and `undelivered` (by conversation).
    """

    told: EngineInfo | None
    lives: bool
    starting: bool
    channels: Sequence[ChannelInfo]
    listed: ToolList
    models: Sequence[ModelHealth] = ()
    complaints: Mapping[str, str] = {}
    stuck: Mapping[str, str] = {}
    failing: Mapping[str, Trouble] = {}
    undelivered: Mapping[str, str] = {}
    begin: str = "bridge-mcp serve"
    """What starts an engine on this store."""


def warnings(looked: Looked) -> Iterator[Warned]:
    """The warnings for the owner."""
    if looked.starting:
        yield Warned("The engine is starting: messages wait a moment.")
    elif looked.told is None or not looked.lives:
        killed = f"The engine, process {looked.told.pid}, was killed. " if looked.told else ""
        text = f"{killed}No engine is running: messages wait. Start one with: {looked.begin}"
        yield Warned(text, Fix(paste=looked.begin))
    for channel in looked.channels:
        if channel.error:
            retry = Fix("retry", channel.name, paste=CHECK.paste)
            yield Warned(f"Channel {channel.name} is {channel.state}: {channel.error}", retry)
    for name, text in looked.complaints.items():
        yield Warned(f"Channel {name}: {text}", CHECK)
    for name, text in looked.stuck.items():
        paste = "bridge-mcp pair add CODE --role approver"
        yield Warned(f"Channel {name}: {text}", Fix("pairing", name, paste=paste))
    for subject, trouble in looked.failing.items():
        yield Warned(f"{subject} fails and is tried again: {trouble.text}", CHECK)
    for name, reason in looked.undelivered.items():
        yield Warned(f"The last message to {name} was not delivered: {reason}", Fix("chat", name))
    yield from tool_warnings(looked.listed)
    yield from model_warnings(looked.models)


def tool_warnings(listed: ToolList) -> Iterator[Warned]:
    """The warnings about tool servers: those that do not answer, and those that are others than was trusted."""
    for server in listed.servers:
        if server.error:
            reload = Fix("reload", server.name, paste="bridge-mcp servers list")
            yield Warned(f"Tool server {server.name} is {server.state}: {server.error}", reload)
    for server in listed.servers:
        if server.instructions == "changed":
            yield Warned(
                f"Tool server {server.name} gives other instructions than before; the assistant is told the earlier "
                f"ones. Look at the new ones, and accept them or not: bridge-mcp servers trust {server.name}",
                Fix("instructions", server.name, paste=f"bridge-mcp servers trust {server.name}"),
            )
    for server, count in Counter(spec.server for spec in listed.tools if spec.changed).items():
        noun = "a tool is" if count == 1 else f"{count} tools are"
        yield Warned(
            f"Tool server {server}: {noun} not what was trusted any more, and every call asks. Look at what changed, "
            "and accept it or not: bridge-mcp servers changes",
            Fix("tools", server, paste="bridge-mcp servers changes"),
        )


def model_warnings(models: Sequence[ModelHealth]) -> Iterator[Warned]:
    """The warnings about models: those that do not answer first."""
    for model in models:
        instead = f"; {model.instead} answers in its place" if model.instead else ""
        if model.error:
            yield Warned(f"Model {model.name} does not answer{instead}: {model.error}", CHECK)
    for model in models:
        if model.remark:
            yield Warned(f"Model {model.name}: {model.remark}", CHECK)
