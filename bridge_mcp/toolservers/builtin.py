"""The bridge's own tools, beside those of nested servers in one box. A `Toolbox`.

They are called as any tool is: by the same approvals, with a `Started` before and a `Finished` after. They reach the
bridge by ports; `CallContext` names the conversation of a call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias

from msgspec import Struct

from bridge_mcp.core.errors import BadInput, BridgeError, ConfigError, ToolFailed
from bridge_mcp.core.tools import BRIDGE, JSON, ToolResult, ToolSpec, canonical, tool_name
from bridge_mcp.ports import CallContext, ServerStatus, Toolbox, ToolProgress
from bridge_mcp.toolservers.schemas import Schemas

__all__ = ["BuiltinTool", "ToolFunction", "WithBuiltins", "builtin"]

ToolFunction: TypeAlias = Callable[[Mapping[str, JSON], CallContext], Awaitable[ToolResult]]
"""Runs a call. A `BridgeError` that it raises becomes a result with `isError`."""


class BuiltinTool(Struct, frozen=True):
    """One tool of the bridge."""

    spec: ToolSpec
    run: ToolFunction


def builtin(
    tool: str,
    description: str,
    schema: Mapping[str, JSON],
    run: ToolFunction,
    *,
    read_only: bool = False,
    destructive: bool = True,
    idempotent: bool = False,
    free: bool = False,
) -> BuiltinTool:
    """A tool called `bridge__TOOL`. `free`: it never needs approval, whatever the owner's defaults are."""
    spec = ToolSpec(
        name=tool_name(BRIDGE, tool),
        server=BRIDGE,
        tool=tool,
        description=description,
        schema=canonical(dict(schema)),
        read_only=read_only,
        destructive=destructive and not read_only,
        idempotent=idempotent or read_only,
        open_world=False,
        confirmation="never" if free else "default",
    )
    return BuiltinTool(spec, run)


class WithBuiltins:
    """The tools of a nested box, followed by the bridge's own.

    Raises:
        ConfigError: two built-ins have the same name.
    """

    def __init__(self, nested: Toolbox, builtins: Iterable[BuiltinTool]) -> None:
        self._nested = nested
        self._schemas = Schemas()
        self._own: dict[str, BuiltinTool] = {}
        for builtin_tool in builtins:
            if builtin_tool.spec.name in self._own:
                raise ConfigError(f"Two built-in tools are called '{builtin_tool.spec.name}'.")
            self._own[builtin_tool.spec.name] = builtin_tool
        self._specs = tuple(builtin_tool.spec for builtin_tool in self._own.values())
        self._all: tuple[tuple[ToolSpec, ...], tuple[ToolSpec, ...]] = ((), self._specs)

    def tools(self) -> tuple[ToolSpec, ...]:
        """The nested ones, then the bridge's own, which never change."""
        nested = self._nested.tools()
        if self._all[0] is not nested:
            self._all = (nested, (*nested, *self._specs))
        return self._all[1]

    def status(self) -> tuple[ServerStatus, ...]:
        """The status of the nested servers; the bridge's own tools have none."""
        return self._nested.status()

    async def ready(self, servers: frozenset[str], timeout_s: float) -> None:
        """Wait for nested servers; see `Toolbox`."""
        await self._nested.ready(servers, timeout_s)

    async def call(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, JSON],
        *,
        context: CallContext | None = None,
        progress: ToolProgress | None = None,
    ) -> ToolResult:
        """Run a tool; see `Toolbox`. An error of a built-in tool is a result with `isError`."""
        builtin = self._own.get(spec.name) if spec.server == BRIDGE else None
        if builtin is None:
            return await self._nested.call(spec, arguments, context=context, progress=progress)
        if builtin.spec.schema != spec.schema:
            raise ToolFailed(f"'{spec.name}' takes other arguments now.", fix="Look at the tools there are now.")
        error = await self.check(spec, arguments)
        try:
            if error:
                raise BadInput(f"These arguments do not fit {spec.name}: {error}")
            return await builtin.run(arguments, context or CallContext())
        except BridgeError as exc:
            return ToolResult(str(exc), is_error=True)

    async def accept(self, spec: ToolSpec) -> None:
        """See `Toolbox`; the bridge's own tools change with the bridge alone."""
        if spec.server != BRIDGE:
            await self._nested.accept(spec)

    async def check(self, spec: ToolSpec, arguments: Mapping[str, JSON]) -> str:
        """The error of these arguments by the tool's schema; "" for none."""
        if spec.name in self._own and spec.server == BRIDGE:
            return await self._schemas.complaint(spec, arguments)
        return await self._nested.check(spec, arguments)
