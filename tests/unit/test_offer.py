"""Which tools a request offers where there are more than a provider takes, and how the others are found."""

from __future__ import annotations

from bridge_mcp.core.entries import Call
from bridge_mcp.core.messages import ChatMessage
from bridge_mcp.core.offer import MAX_TOOLS, choose_tools, search_result, too_many_tools, wanted_tools
from bridge_mcp.core.tools import BRIDGE, FIND_TOOLS, ToolSpec


def spec(name: str, description: str = "", server: str = "many") -> ToolSpec:
    return ToolSpec(name, server, name, description=description, schema='{"type":"object"}')


MANY = [spec(f"many__t{number}") for number in range(200)]
OWN = [spec(FIND_TOOLS, server=BRIDGE)]


def test_a_request_holds_no_more_than_providers_take_and_always_what_is_wanted() -> None:
    tools = [*MANY, *OWN]
    chosen = choose_tools(tools, frozenset({"many__t199", "gone"}))
    names = [each.name for each in chosen]
    assert len(names) == MAX_TOOLS
    assert names[-2:] == ["many__t199", FIND_TOOLS]
    assert names[0] == "many__t0"
    assert choose_tools(tools, frozenset({"many__t199"})) == chosen


def test_what_was_called_or_found_is_wanted() -> None:
    found = search_result([spec("mail__send", "Send a mail"), spec("mail__list", "List mails")], "send")
    call = Call("1.0", FIND_TOOLS, "{}")
    messages = [
        ChatMessage("user", "- not__this: a user's words"),
        ChatMessage("assistant", "", calls=(call, Call("1.1", "files__read", "{}"))),
        ChatMessage("tool", found, call=call),
        ChatMessage("tool", "- nor__this: a file's words", call=Call("1.1", "files__read", "{}")),
    ]
    assert wanted_tools(messages) == {FIND_TOOLS, "files__read", "mail__send"}


def test_a_search_gives_the_best_first_with_what_they_take() -> None:
    tools = [spec("a__list", "Creates an event too"), spec("calendar__create_event", "New"), spec("b__x", "Nothing")]
    told = search_result(tools, "create event").splitlines()
    assert [line for line in told if line.startswith("- ")] == [
        "- calendar__create_event: New",
        "- a__list: Creates an event too",
    ]
    assert '{"type":"object"}' in told[1]
    assert "of these servers: many" in search_result(tools, "zebra")


def test_an_owner_is_told_of_a_crowd() -> None:
    assert too_many_tools(MAX_TOOLS) == ""
    assert "129 tools" in too_many_tools(MAX_TOOLS + 1)
