"""One call as its host made it, what it is given to the server as, and what the host is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import msgspec
from msgspec import Struct

from bridge_mcp.core.entries import Finished, Stopped
from bridge_mcp.core.json_reader import JSON
from bridge_mcp.core.tools import canonical, parse_arguments
from bridge_mcp.gate.messages import Body, bare_meta, beside_words, is_modern, refused_call

__all__ = [
    "Answer",
    "Forward",
    "HostCall",
    "Sent",
    "ServerGone",
    "ended_words",
    "question_in",
    "refused",
    "state_shown",
    "waits_words",
]


class ServerGone(Exception):
    """The server answers nothing any more."""


@dataclass(slots=True)
class HostCall:
    """A call as the host made it."""

    message: Body
    line: bytes
    tell: Callable[[float, str], Awaitable[None]] | None = None
    """Tells the host how far it is, if it asked for that."""
    changed: bool = False
    """Whether the server is to be given `message`, and not the line as it came."""

    @property
    def params(self) -> Body:
        """What the request holds."""
        params = self.message.get("params")
        return params if isinstance(params, dict) else {}

    @property
    def tool(self) -> str:
        """The server's own name of the tool."""
        return str(self.params["name"])

    @property
    def arguments(self) -> Body:
        """What the tool is called with."""
        arguments = self.params.get("arguments")
        return arguments if isinstance(arguments, dict) else {}

    @property
    def meta_words(self) -> str:
        """What only this call brings in its `_meta`, as people are told of it."""
        return beside_words({"_meta": self.params.get("_meta")})

    @property
    def modern(self) -> bool:
        """Whether it is of the newer era."""
        return is_modern(self.params)

    def with_arguments(self, arguments: str) -> HostCall:
        """The call with the arguments that were approved."""
        return self._with({**self.params, "arguments": dict(parse_arguments(arguments))})

    def without_meta(self) -> HostCall:
        """The call without what only it brings in its `_meta`."""
        return self._with(bare_meta(self.params))

    def _with(self, params: Body) -> HostCall:
        return replace(self, message={**self.message, "params": params}, changed=True)


class Answer(Struct, frozen=True):
    """What the host is given: the server's own line, or a result of the gate's."""

    line: bytes = b""
    result: Body = msgspec.field(default_factory=dict[str, JSON])
    code: int = 0
    words: str = ""


class Sent(Protocol):
    """A request that the server has been given."""

    async def response(self) -> tuple[Body, bytes]:
        """Its response, as a value and as the line it came as. Raises `ServerGone` where there will be none."""
        ...


Forward: TypeAlias = Callable[[Body | None], Awaitable[Sent]]
"""Gives the request to the server, changed or (None) as it came."""


def waits_words(tool: str, approval: str) -> str:
    """What a host is told whose call waits on."""
    return (
        f"Not run yet: {tool} waits for approval ({approval}), and nobody has decided so far. Make the same call again "
        "to go on waiting: once it is approved, it runs, and only once."
    )


def ended_words(entry: Finished | Stopped) -> str:
    """What a host is told whose call is over without having run here."""
    return entry.content if isinstance(entry, Finished) else f"Not run: {entry.reason}"


def refused(call: HostCall, words: str) -> Answer:
    """An answer of the gate's own."""
    return Answer(result=refused_call(words, modern=call.modern))


def state_shown(call: HostCall) -> str:
    """The state with which the host goes on with a call that the server had questions about; "" if it does not."""
    if "requestState" not in call.params and "inputResponses" not in call.params:
        return ""
    return canonical(call.params.get("requestState"))


def question_in(answer: Answer) -> str:
    """The state that the host is to show when it goes on with a call that the server has questions about; else ""."""
    result = answer.result.get("result")
    if not isinstance(result, dict) or result.get("resultType") != "input_required":
        return ""
    return canonical(result.get("requestState"))
