"""A toolbox for tests, whose tools are async functions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import anyio
from msgspec.structs import replace

from bridge_mcp.core.errors import ToolFailed
from bridge_mcp.core.tools import JSON, ToolResult, ToolSpec, canonical
from bridge_mcp.ports import CallContext, ServerStatus, ToolProgress

__all__ = ["FakeToolbox", "Hold"]

ToolFunction: TypeAlias = Callable[[Mapping[str, JSON]], Awaitable[str | ToolResult]]
ANYTHING = canonical({"type": "object", "properties": {}})
TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


@dataclass(slots=True)
class Hold:
    """Calls of one tool that wait in the middle of their work. `entered` is set by the first that came in."""

    entered: anyio.Event = field(default_factory=anyio.Event)
    released: anyio.Event = field(default_factory=anyio.Event)

    def release(self) -> None:
        """Let them, and those that come later, go on."""
        self.released.set()


class FakeToolbox:
    """A `Toolbox` whose tools are functions of this process.

        toolbox = FakeToolbox()

        @toolbox.tool("files__list_files", read_only=True)
        async def list_files(arguments): return "a.txt b.txt"

    A function gives a text or a `ToolResult`; it may raise `ToolFailed` or `ToolUncertain`, as the contract says.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, Mapping[str, JSON]]] = []
        """Every call that was begun: the tool's name and its arguments."""
        self.contexts: list[CallContext] = []
        """For whom each of them ran."""
        self.accepted: list[str] = []
        """The name of every changed tool that was accepted."""
        self._tools: dict[str, tuple[ToolSpec, ToolFunction]] = {}
        self._specs: tuple[ToolSpec, ...] = ()
        self._servers: dict[str, ServerStatus] = {}
        self._holds: dict[str, Hold] = {}
        self._planned: dict[str, list[ToolFailed]] = {}
        self._progress: dict[str, list[tuple[float, float | None, str]]] = {}

    def add(self, spec: ToolSpec, function: ToolFunction) -> None:
        """Add a tool; it replaces one of the same name."""
        self._tools[spec.name] = (spec, function)
        self._specs = tuple(spec for spec, _ in self._tools.values())
        self._servers.setdefault(spec.server, ServerStatus(spec.server, "ready"))

    def remove(self, name: str) -> None:
        """Remove a tool: its server no longer lists it."""
        del self._tools[name]
        self._specs = tuple(spec for spec, _ in self._tools.values())

    def disconnect(self, server: str) -> None:
        """Disconnect a server: its tools are known, and calls fail."""
        self._servers[server] = ServerStatus(server, "degraded", error="it has ended")

    def reconnect(self, server: str) -> None:
        """Connect a server again."""
        self._servers[server] = ServerStatus(server, "ready")

    def withhold(self, name: str) -> None:
        """Make the config no longer allow a tool that its server has."""
        server = name.partition("__")[0]
        status = self._servers[server]
        self._servers[server] = replace(status, withheld=(*status.withheld, name))

    def withdraw(self, server: str) -> None:
        """Remove a server from the config, with all of its tools."""
        for name in [spec.name for spec in self._specs if spec.server == server]:
            self.remove(name)
        self._servers.pop(server, None)

    def tool(
        self,
        name: str,
        *,
        description: str = "",
        schema: Mapping[str, JSON] | None = None,
        read_only: bool = False,
        destructive: bool = True,
        idempotent: bool = False,
    ) -> Callable[[ToolFunction], ToolFunction]:
        """Decorate the function of a tool called `server__tool`."""
        server, _, tool = name.partition("__")
        text = canonical(dict(schema)) if schema else ANYTHING
        spec = ToolSpec(
            name,
            server,
            tool,
            description=description,
            schema=text,
            read_only=read_only,
            destructive=destructive,
            idempotent=idempotent,
        )

        def added(function: ToolFunction) -> ToolFunction:
            self.add(spec, function)
            return function

        return added

    def hold(self, name: str) -> Hold:
        """Make calls of this tool wait, from now on, until they are released."""
        self._holds[name] = Hold()
        return self._holds[name]

    def fail(self, name: str, error: ToolFailed) -> None:
        """Make the next call of this tool raise this error, in order of planning; its function is not run."""
        self._planned.setdefault(name, []).append(error)

    def change(self, name: str, how: str) -> None:
        """Change the definition of a tool: its calls ask for approval until one was approved."""
        spec, function = self._tools[name]
        self.add(replace(spec, changed=how), function)

    def report(self, name: str, progress: float, total: float | None = None, words: str = "") -> None:
        """Make every call of this tool report this progress, after what was added before."""
        self._progress.setdefault(name, []).append((progress, total, words))

    def count(self, name: str) -> int:
        """How often a call of this tool was begun."""
        return sum(1 for called, _ in self.calls if called == name)

    def tools(self) -> tuple[ToolSpec, ...]:
        """See `ports.Toolbox`; in the order in which they were added."""
        return self._specs

    def status(self) -> tuple[ServerStatus, ...]:
        """One server for each first part of a name, ready unless it was disconnected."""
        counted = Counter(spec.server for spec in self.tools())
        return tuple(replace(status, tools=counted[name]) for name, status in self._servers.items())

    async def ready(self, servers: frozenset[str], timeout_s: float) -> None:
        """At once."""

    async def call(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, JSON],
        *,
        context: CallContext | None = None,
        progress: ToolProgress | None = None,
    ) -> ToolResult:
        """See `ports.Toolbox`.

        Raises:
            ToolFailed: there is no such tool, or it was planned.
        """
        if spec.name not in self._tools:
            raise ToolFailed(f"There is no tool '{spec.name}'.", fix=f"The tools are: {', '.join(self._tools)}.")
        self.calls.append((spec.name, arguments))
        self.contexts.append(context or CallContext())
        hold = self._holds.get(spec.name)
        if hold is not None:
            hold.entered.set()
            await hold.released.wait()
        if self._planned.get(spec.name):
            raise self._planned[spec.name].pop(0)
        for report in self._progress.get(spec.name, ()):
            if progress is not None:
                progress(*report)
        result = await self._tools[spec.name][1](arguments)
        return ToolResult(result) if isinstance(result, str) else result

    async def accept(self, spec: ToolSpec) -> None:
        """See `ports.Toolbox`; the tool has not changed any more."""
        stored, function = self._tools[spec.name]
        self.accepted.append(spec.name)
        self.add(replace(stored, changed=""), function)

    async def check(self, spec: ToolSpec, arguments: Mapping[str, JSON]) -> str:
        """See `ports.Toolbox`; it reads the schema's `required`, `additionalProperties` and types of properties."""
        schema = cast("dict[str, JSON]", json.loads(spec.schema))
        properties = cast("dict[str, dict[str, JSON]]", schema.get("properties") or {})
        for name in cast("list[str]", schema.get("required") or []):
            if name not in arguments:
                return f"'{name}' is required."
        for name, value in arguments.items():
            if name not in properties:
                if schema.get("additionalProperties") is False:
                    return f"'{name}' is unknown; there are: {', '.join(properties) or 'no arguments'}."
                continue
            json_type = properties[name].get("type")
            if isinstance(json_type, str) and not is_a(value, json_type):
                return f"'{name}' must be of type {json_type}."
        return ""


def is_a(value: JSON, json_type: str) -> bool:
    """Whether a value is of a JSON schema's type."""
    if isinstance(value, bool):
        return json_type == "boolean"
    return isinstance(value, TYPES.get(json_type, (object,)))
