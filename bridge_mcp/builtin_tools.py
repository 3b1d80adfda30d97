"""The nested tools and the bridge's own in one box, as `assembly` gives it to the engine; loaded when it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import anyio.to_thread

from bridge_mcp.config import Config
from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.ports import ChannelTraits, Clock, Model, Store, Toolbox

__all__ = ["with_builtins"]


def with_builtins(
    nested: Toolbox, config: Config, store: Store, traits: Mapping[str, ChannelTraits], clock: Clock, models: Model
) -> Toolbox:
    """The nested tools and the bridge's own as one box."""
    from bridge_mcp.engine.turns.model_requests import window_of
    from bridge_mcp.operations.outgoing_files import attached
    from bridge_mcp.toolservers.builtin import WithBuiltins
    from bridge_mcp.toolservers.builtin_actions import BuiltinActions
    from bridge_mcp.toolservers.find_tools import find_tools
    from bridge_mcp.toolservers.read_result import read_result

    async def outbox(name: str) -> Attachment:
        return await anyio.to_thread.run_sync(attached, name, config.rules.outbox)

    async def result_chars(conversation: str) -> int:
        return (await window_of(config.rules.channel(Address.of(conversation).channel), models)).shown_chars

    def tools_of(conversation: str) -> Sequence[ToolSpec]:
        rules = config.rules.channels.get(Address.of(conversation).channel)
        allowed = rules.tool_servers if rules is not None else ()
        return [spec for spec in nested.tools() if allowed is None or spec.server in allowed]

    actions = BuiltinActions(store, traits, clock, outbox=outbox).tools()
    return WithBuiltins(nested, [*actions, read_result(store.log, result_chars), find_tools(tools_of)])
