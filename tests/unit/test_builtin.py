"""The bridge's own tools beside nested ones."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bridge_mcp.core.errors import ConfigError, NotFound, ToolFailed
from bridge_mcp.core.tools import JSON, ToolResult, ToolSpec
from bridge_mcp.ports import CallContext, Toolbox
from bridge_mcp.testing import FakeToolbox
from bridge_mcp.toolservers.builtin import BuiltinTool, WithBuiltins, builtin

SCHEMA: Mapping[str, JSON] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


async def where(arguments: Mapping[str, JSON], context: CallContext) -> ToolResult:
    if arguments["n"] == 0:
        raise NotFound("There is no zeroth one.", fix="Begin at one.")
    return ToolResult(f"{arguments['n']} of {context.conversation} for {context.caller}")


def own() -> BuiltinTool:
    return builtin("where", "Says where it runs.", SCHEMA, where, read_only=True)


def nested() -> FakeToolbox:
    box = FakeToolbox()

    @box.tool("files__list", read_only=True)
    async def _list(arguments: Mapping[str, JSON]) -> str:
        return "a.txt"

    return box


def spec(box: Toolbox, name: str) -> ToolSpec:
    return next(each for each in box.tools() if each.name == name)


async def test_both_kinds_are_in_one_box_and_each_call_finds_its_tool_and_knows_its_conversation() -> None:
    inner = nested()
    box = WithBuiltins(inner, [own()])
    assert [each.name for each in box.tools()] == ["files__list", "bridge__where"]
    assert [status.name for status in box.status()] == ["files"]
    here = CallContext("family/7", "4.0", "assistant")
    assert (await box.call(spec(box, "files__list"), {}, context=here)).text == "a.txt"
    assert inner.contexts == [here]
    assert (await box.call(spec(box, "bridge__where"), {"n": 1}, context=here)).text == "1 of family/7 for assistant"


async def test_what_a_built_in_tool_cannot_do_comes_back_as_its_error() -> None:
    box = WithBuiltins(nested(), [own()])
    refused = await box.call(spec(box, "bridge__where"), {"n": 0})
    assert refused.is_error
    assert refused.text == "There is no zeroth one. Begin at one."
    assert (await box.call(spec(box, "bridge__where"), {"n": "x"})).is_error
    assert '"n" is a required property' in await box.check(spec(box, "bridge__where"), {})
    assert await box.check(spec(box, "files__list"), {}) == ""


async def test_a_nested_server_cannot_stand_in_for_the_bridge() -> None:
    inner = nested()
    box = WithBuiltins(inner, [own()])
    forged = ToolSpec("bridge__where", "files", "where", description="", schema="{}")
    with pytest.raises(ToolFailed, match="no tool 'bridge__where'"):
        await box.call(forged, {"n": 1})
    with pytest.raises(ConfigError, match="bridge__where"):
        WithBuiltins(inner, [own(), own()])


def test_what_it_says_of_itself() -> None:
    made = own().spec
    assert (made.read_only, made.destructive, made.idempotent, made.confirmation) == (True, False, True, "default")
    assert builtin("free", "", SCHEMA, where, free=True).spec.confirmation == "never"
