"""Tools in words: what a model that cannot call tools is told, and the calls that are read out of what it writes."""

from __future__ import annotations

import json
import re

import pytest

from bridge_mcp.core.entries import Attachment, Call
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models import token_call_parser
from bridge_mcp.models.text_call_parser import split
from bridge_mcp.models.text_tool_calls import in_words, out_of_words, without_calls
from bridge_mcp.models.token_call_parser import LEAD
from bridge_mcp.ports import ModelReply, ModelRequest
from tests.unit.logs import TOOLS

NAMES = frozenset(TOOLS)
READ = ("files__read", {"path": "a"})
PUT = ("files__put", {"path": "b"})


def calls(text: str) -> list[tuple[str, object]]:
    return [(call.tool, json.loads(call.arguments)) for call in split(text, NAMES)[1]]


def written(tool: str = "files__read", path: str = "a", key: str = "tool", arguments: str = "arguments") -> str:
    return json.dumps({key: tool, arguments: {"path": path}})


ONE = {
    "a fence of its own": f"```tool_call\n{written()}\n```",
    "a json fence": f"```json\n{written()}\n```",
    "a plain fence": f"```\n{written()}\n```",
    "bare": written(),
    "bare, over lines": json.dumps(json.loads(written()), indent=2),
    "a tag": f"<tool_call>\n{written()}\n</tool_call>",
    "a fence left open": f"```tool_call\n{written()}",
    "a tag left open": f"<tool_call>{written()}",
    "indented": f"  {written()}",
    "other words for it": written(key="name", arguments="parameters"),
    "Mistral's token": f"[TOOL_CALLS] [{written(key='name')}]",
    "Mistral's token and a name": '[TOOL_CALLS]files__read{"path": "a"}',
    "Mistral's later tokens": '[TOOL_CALLS]files__read[CALL_ID]x1[ARGS]{"path": "a"}',
    "Llama's token": f"<|python_tag|>{written(key='name', arguments='parameters')}",
    "Phi's tokens": f"<|tool_call|>[{written(key='name')}]<|/tool_call|>",
    "DeepSeek's tokens": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>files__read\n```json\n"
    '{"path": "a"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    "DeepSeek's later tokens": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>files__read<｜tool▁sep｜>"
    '{"path": "a"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    "DeepSeek's tags": '<｜DSML｜function_calls>\n<｜DSML｜invoke name="files__read">\n<｜DSML｜parameter name="path" '
    'string="true">a</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>',
    "Kimi's tokens": "<|tool_calls_section_begin|><|tool_call_begin|>functions.files__read:0"
    '<|tool_call_argument_begin|>{"path": "a"}<|tool_call_end|><|tool_calls_section_end|>',
    "harmony": '<|channel|>commentary to=functions.files__read <|constrain|>json<|message|>{"path": "a"}<|call|>',
    "harmony, the recipient first": "<|start|>assistant to=functions.files__read<|channel|>commentary json<|message|>"
    '{"path": "a"}<|call|>',
    "as OpenAI writes it": json.dumps(
        {"tool_calls": [{"type": "function", "function": {"name": "files__read", "arguments": '{"path": "a"}'}}]}
    ),
}


@pytest.mark.parametrize("way", ONE)
def test_a_call_is_found(way: str) -> None:
    assert calls(ONE[way]) == [READ]
    assert split(ONE[way], NAMES)[0] == ""


TWO = {
    "two fences": f"```tool_call\n{written()}\n```\n```tool_call\n{written('files__put', 'b')}\n```",
    "two tags": f"<tool_call>{written()}</tool_call>\n<tool_call>{written('files__put', 'b')}</tool_call>",
    "two bare": f"{written()}\n{written('files__put', 'b')}",
    "Kimi's tokens": "<|tool_calls_section_begin|><|tool_call_begin|>functions.files__read:0"
    '<|tool_call_argument_begin|>{"path": "a"}<|tool_call_end|><|tool_call_begin|>functions.files__put:1'
    "<|tool_call_argument_begin|>"
    '{"path": "b"}<|tool_call_end|><|tool_calls_section_end|>',
    "DeepSeek's tokens": '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>files__read<｜tool▁sep｜>{"path": "a"}'
    '<｜tool▁call▁end｜><｜tool▁call▁begin｜>files__put<｜tool▁sep｜>{"path": "b"}'
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "Mistral's tokens": '[TOOL_CALLS]files__read{"path": "a"}[TOOL_CALLS]files__put{"path": "b"}',
    "a list": f"[{written()}, {written('files__put', 'b')}]",
    "two in one fence": f"```tool_call\n{written()}\n{written('files__put', 'b')}\n```",
    "a list in a fence": f"```json\n[{written()}, {written('files__put', 'b')}]\n```",
}


@pytest.mark.parametrize("way", TWO)
def test_several_calls_are_found(way: str) -> None:
    assert calls(TWO[way]) == [READ, PUT]
    ids = [call.id for call in split(TWO[way], NAMES)[1]]
    assert len(set(ids)) == 2


def test_the_words_around_calls_are_kept() -> None:
    text = f"I look first.\n\n```tool_call\n{written()}\n```\n\nThen we see."
    assert split(text, NAMES)[0] == "I look first.\n\nThen we see."


FOR_PEOPLE = [
    "Just words.",
    "Inline `code` and {braces} and [brackets](link).",
    '{"name": "Bob", "age": 7}',
    '```json\n{"name": "Bob", "arguments": "none"}\n```',
    '[{"name": "Bob"}, {"name": "Ann"}]',
    "[1, 2, 3]",
    "```python\nprint({'tool': 'x'})\n```",
    "```\nplain\n```",
    "{not json",
    "[see below]\nMore.",
    '```json\n{"broken": \n```',
    "A list:\n[ ] one\n[x] two",
]


@pytest.mark.parametrize("text", FOR_PEOPLE)
def test_what_is_meant_for_people_stays_text(text: str) -> None:
    assert split(text, NAMES) == (text, ())


MALFORMED = {
    "bad JSON": ('```tool_call\n{"tool": "files__read", "arguments": {"path": }\n```', "files__read"),
    "bad JSON, bare": ('{"tool": "files__read", "arguments": {"path": "a"', "files__read"),
    "no name": ('```tool_call\n{"arguments": {"path": "a"}}\n```', ""),
    "no JSON": ("```tool_call\nfiles__read a\n```", ""),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_call_is_a_call_all_the_same(case: str) -> None:
    text, tool = MALFORMED[case]
    said, (call,) = split(text, NAMES)
    assert said == ""
    assert call.tool == tool
    assert call.arguments in text


def test_a_tool_that_does_not_exist_is_asked_for_all_the_same() -> None:
    assert calls(written("files__burn")) == [("files__burn", {"path": "a"})]


GROWING = [
    f"Let me look.\n```tool_call\n{written()}\n```\nDone.",
    f"Let me look.\n{written()}",
    f"Let me look.\n<tool_call>{written()}</tool_call>",
    f"```json\n{json.dumps([json.loads(written())], indent=1)}\n```",
    '```tool_call\n{"tool": "files__read", "arguments": {"path": }\n```',
    'Let me look.[TOOL_CALLS]files__read{"path": "a"}',
    'Let me look.<|tool_call_begin|>functions.files__read:0<|tool_call_argument_begin|>{"path": "a"}<|tool_call_end|>',
    "Let me look. <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>files__read<｜tool▁sep｜>{}<｜tool▁call▁end｜>",
]


@pytest.mark.parametrize("text", GROWING)
def test_a_growing_text_never_shows_a_call(text: str) -> None:
    shown: list[str] = []
    told = without_calls(shown.append, tuple(TOOLS.values()))
    for end in range(1, len(text) + 1):
        told(text[:end])
    assert all(not set(each) & set('`{}<>[]"') for each in shown), shown
    assert not shown or shown[-1] == split(text, NAMES)[0]


@pytest.mark.parametrize("text", [each for each in FOR_PEOPLE if "broken" not in each and "{not" not in each])
def test_a_growing_text_for_people_comes_to_be_seen_whole(text: str) -> None:
    shown: list[str] = []
    told = without_calls(shown.append, tuple(TOOLS.values()))
    for end in range(1, len(text) + 1):
        told(text[:end])
    told(f"{text}\n.")
    assert shown[-1] == f"{text}\n."


LONG_WINDED = {
    "tokens": "[TOOL_CALLS]",
    "tokens and words": "[TOOL_CALLS] word. ",
    "calls, one by one": "[TOOL_CALLS]a{}. ",
    "another token": "<|python_tag|>x ",
    "tags": "<tool_call> ",
    "JSON without end": '\n{"name": ',
}


@pytest.mark.parametrize("part", LONG_WINDED)
def test_a_text_costs_its_length_however_often_it_begins_a_call(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in characters that the parts of such a text are looked at, and not in seconds."""
    text = LONG_WINDED[part] * 4_000
    looked = 0

    class Counting:
        def match(self, given: str, at: int) -> re.Match[str] | None:
            nonlocal looked
            found = LEAD.match(given, at)
            looked += found.end() - at if found else 0
            return found

    monkeypatch.setattr(token_call_parser, "LEAD", Counting())
    split(text, NAMES)
    assert looked <= 3 * len(text)


def test_taking_back_a_text_is_passed_on() -> None:
    shown: list[str] = []
    told = without_calls(shown.append, ())
    for text in ("a", "", "b"):
        told(text)
    assert shown == ["a", "", "b"]


# -- the request -----------------------------------------------------------------------------------------------


def test_tools_are_told_of_in_the_system_prompt() -> None:
    request = ModelRequest(
        "default", (ChatMessage("system", "Be brief."), ChatMessage("user", "hi")), tuple(TOOLS.values())
    )
    plain = in_words(request)
    assert plain.tools == ()
    system = plain.messages[0]
    assert (system.role, system.text.startswith("Be brief.\n\nYou can use tools.")) == ("system", True)
    assert all(f"- {name}: " in system.text for name in TOOLS)
    assert '{"type":"object"}' in system.text
    assert in_words(ModelRequest("default", (ChatMessage("user", "hi"),), request.tools)).messages[0].role == "system"


def test_without_tools_nothing_is_told() -> None:
    request = ModelRequest("default", (ChatMessage("user", "hi"),))
    assert in_words(request) == request


def test_calls_and_results_are_told_in_words_that_can_be_read_back() -> None:
    first, second = (
        Call("1.0", "files__read", '{"path":"a"}', model_id="x"),
        Call("1.1", "files__put", '{"path":"b"}', model_id="y"),
    )
    photo = Attachment("ref", "image")
    request = ModelRequest(
        "default",
        (
            ChatMessage("user", "look"),
            ChatMessage("assistant", "Looking.", calls=(first, second)),
            ChatMessage("tool", "one", call=first),
            ChatMessage("tool", "two", call=second),
            ChatMessage("user", "and?", attachments=(photo,)),
        ),
    )
    plain = in_words(request)
    assert [message.role for message in plain.messages] == ["user", "assistant", "user"]
    assert split(plain.messages[1].text, NAMES)[0] == "Looking."
    assert calls(plain.messages[1].text) == [READ, PUT]
    assert plain.messages[2].text == "[Result of files__read]\none\n\n[Result of files__put]\ntwo\n\nand?"
    assert plain.messages[2].attachments == (photo,)
    assert not any(message.calls or message.call for message in plain.messages)


def test_broken_arguments_of_the_past_are_shown_as_they_were() -> None:
    broken = Call("1.0", "files__read", '{"path": ', model_id="x")
    (message,) = in_words(ModelRequest("default", (ChatMessage("assistant", "", calls=(broken,)),))).messages
    assert '"arguments": "{\\"path\\": "' in message.text


def test_a_reply_that_has_calls_of_its_own_is_left_alone() -> None:
    reply = out_of_words(ModelReply(written()), tuple(TOOLS.values()))
    assert (reply.text, [call.tool for call in reply.calls]) == ("", ["files__read"])
    assert out_of_words(reply, ()) is reply
