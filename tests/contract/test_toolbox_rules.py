"""What the box makes of what servers list and owners want: names, allow-lists, confirmation, hints, argument checks."""

from __future__ import annotations

import re

import pytest

from bridge_mcp.assembly import WallClock
from bridge_mcp.core.errors import ConfigError
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.toolservers.settings import ToolRule, ToolServer
from bridge_mcp.toolservers.toolbox import NestedToolbox
from tests.servers.launch import module, opened

ODD = ("a b", "a.b", "a_b", "z" * 90, "z" * 91, "ünïcode", "get_x", "same", "same")


async def test_odd_names_become_legal_ones_that_stay_apart_and_stay_the_same() -> None:
    async with opened(module("odd", "--names", *ODD, server="s"), module("odd", "--names", "b", server="s__a")) as at:
        names = {spec.tool: spec.name for spec in at.box.tools() if spec.server == "s"}
        assert set(names) == set(ODD)
        assert len(set(names.values())) == len(set(ODD))
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names.values())
        assert (names["a_b"], names["same"]) == ("s__a_b", "s__same")
        assert re.fullmatch(r"s__a_b_[0-9a-f]{8}", names["a.b"])
        for spec in at.box.tools():
            assert (await at.box.call(spec, {})).text == spec.tool
        first = at.box.tools()
    async with opened(module("odd", "--names", *reversed(ODD), server="s")) as at:
        assert {spec.name for spec in at.box.tools()} == {spec.name for spec in first if spec.server == "s"}


async def test_two_tools_that_would_share_a_name_both_get_a_tail() -> None:
    servers = (module("odd", "--names", "a__b", server="s"), module("odd", "--names", "b", server="s__a"))
    async with opened(*servers) as at:
        names = [spec.name for spec in at.box.tools()]
        assert len(set(names)) == 2
        assert all(re.fullmatch(r"s__a__b_[0-9a-f]{8}", name) for name in names)


async def test_the_order_is_that_of_the_servers_and_then_of_the_names() -> None:
    servers = (module("odd", "--names", "b", "c", "a", server="two"), module("odd", "--names", "d", server="one"))
    async with opened(*servers) as at:
        assert [spec.name for spec in at.box.tools()] == ["two__a", "two__b", "two__c", "one__d"]


async def test_only_allowed_tools_are_there() -> None:
    allowed = ("get_*", "exact")
    async with opened(module("odd", "--names", "get_a", "set_a", "exact", "exact2", allowed_tools=allowed)) as at:
        assert [spec.tool for spec in at.box.tools()] == ["exact", "get_a"]
        assert at.box.status()[0].tools == 2
    async with opened(module("odd", "--names", "get_a", allowed_tools=())) as at:
        assert at.box.tools() == ()


async def test_the_first_rule_that_matches_wins_over_the_servers_own() -> None:
    rules = (ToolRule("get_secret", "required"), ToolRule("get_*", "never", 5), ToolRule("slow_*", timeout_s=300))
    names = ("get_secret", "get_x", "slow_x", "other")
    async with opened(module("odd", "--names", *names, confirmation="by-annotation", tools=rules)) as at:
        wanted = {spec.tool: spec.confirmation for spec in at.box.tools()}
    assert wanted == {"get_secret": "required", "get_x": "never", "slow_x": "by-annotation", "other": "by-annotation"}
    server = module("odd", tools=rules)
    assert [server.timeout_of(name) for name in names] == [60, 5, 300, 60]


async def test_hints_that_are_missing_take_the_defaults_of_mcp() -> None:
    def hints(spec: ToolSpec) -> tuple[bool, bool, bool, bool]:
        return spec.read_only, spec.destructive, spec.idempotent, spec.open_world

    async with opened(module("workbench"), module("odd", "--names", "x")) as at:
        assert hints(at.spec("x")) == (False, True, False, True)
        assert hints(at.spec("echo")) == (True, False, False, True)
        assert hints(at.spec("point")) == (False, False, True, False)
        assert at.spec("echo").description == "Say it again."
        assert at.spec("x").description == "The tool x"
        assert at.spec("x").schema == '{"properties":{"a":{"type":"integer"},"b":{}},"type":"object"}'


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"\[tool_servers\.x\] names neither a command nor a url"):
        ToolServer("x")
    with pytest.raises(ConfigError, match="both a command and a url"):
        ToolServer("x", command="c", url="http://127.0.0.1/")
    with pytest.raises(ConfigError, match="not above 0"):
        ToolServer("x", command="c", tools=(ToolRule("a", timeout_s=0),))
    with pytest.raises(ConfigError, match="Two tool servers are called 'x'"):
        NestedToolbox([ToolServer("x", command="c"), ToolServer("x", command="d")], clock=WallClock())
