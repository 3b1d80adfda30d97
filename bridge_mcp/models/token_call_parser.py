"""Parses tool calls in the special tokens of a chat template, as a server without a parser for its model sends them.

    [TOOL_CALLS]files__read[ARGS]{"path": "a.txt"}
    <|python_tag|>{"name": "files__read", "parameters": {"path": "a.txt"}}
    <|tool_call_begin|>functions.files__read:0<|tool_call_argument_begin|>{"path": "a.txt"}<|tool_call_end|>
    <|channel|>commentary to=functions.files__read <|constrain|>json<|message|>{"path": "a.txt"}<|call|>

A call is a name among tokens and a JSON object after it, or an object or a list that holds the name itself.
"""

from __future__ import annotations

import json
import re
from typing import cast

from msgspec import Struct

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import JSON, read_json_at

__all__ = ["BEGUN", "START", "CallSection", "section_at", "with_plain_tags"]

BARS = "[|｜]"
TOKEN = rf"<{BARS}[^<>\n]{{1,40}}?{BARS}>"
START = (
    rf"\[TOOL_CALLS\]|<{BARS}(?:/?tool[ _▁]?calls?[^<>\n]{{0,30}}|python_tag){BARS}>"
    rf"|(?:<{BARS}start{BARS}>assistant)?(?:<{BARS}channel{BARS}>\w*)?[ ]*(?<=[>\w ])to=functions\.\w"
)
"""A regular expression for the beginning of such calls."""

BEGUN = rf"<(?:{BARS}[^<>\n]{{0,40}})?|\[[A-Z_]{{0,10}}"
"""A regular expression for the end of a growing text that may become such a beginning."""

BEGUN_TOKEN = re.compile(rf"(?:{BEGUN})\Z")

LEAD = re.compile(rf"(?:{TOKEN}|\[(?:TOOL_CALLS|CALL_ID|ARGS)\]|```\w*|[\w.:=-]+|[\s,])*")
"""The part before the JSON of a call: tokens, a name, a fence."""

MARKS = re.compile(rf"{TOKEN}|\[(?:TOOL_CALLS|ARGS)\]|\[CALL_ID\]\w*|```\w*|,")
TRAIL = re.compile(rf"(?:\s*(?:{TOKEN}|```))*")
WORD = re.compile(r"\S")
CALLEE = re.compile(r"(?:to=)?(?:functions\.)?([\w.-]+?)(?::\d+)?")
NO_NAMES = frozenset({"function", "json", "code", "assistant", "commentary", "analysis"})
"""Words of the templates themselves."""


class CallSection(Struct, frozen=True):
    """A part of a text that may hold such calls.

    `body` is the calls as JSON text, "" if no JSON follows the tokens. `end` is where the part ends, or how far it was
    searched in vain, so that no text is searched again for every token in it.
    """

    end: int
    body: str
    whole: bool


def with_plain_tags(text: str) -> str:
    """The text with plain tags for those of tokens: `<｜DSML｜invoke name="x">` becomes `<invoke name="x">`."""
    return re.sub(rf"<(/?){BARS}DSML{BARS}", r"<\1", text) if "DSML" in text else text


def section_at(text: str, at: int) -> CallSection:
    """The calls that begin at this character."""
    calls: list[JSON] = []
    end = seen = at
    while lead := LEAD.match(text, end):
        begin = seen = lead.end()
        if begin >= len(text) or text[begin] not in "[{":
            break
        name = name_in(lead[0])
        if calls and not name and not MARKS.search(lead[0]):
            break  # JSON for people, after the calls
        try:
            value, end = read_json_at(text, begin)
        except BadJSON:
            arguments = text[begin:]
            calls.append({"name": name, "arguments": arguments})
            return CallSection(len(text), json.dumps(calls, ensure_ascii=False), False)
        calls += called(name, value)
    if not calls:
        return CallSection(seen, "", seen < len(text) and BEGUN_TOKEN.match(text, seen) is None)
    trail = TRAIL.match(text, end)
    closed = trail.end() if trail else end
    whole = closed > end or WORD.search(text, end) is not None
    return CallSection(closed, json.dumps(calls, ensure_ascii=False), whole)


def name_in(lead: str) -> str:
    """The name of the tool in the part before its arguments; "" if the JSON holds it."""
    words = MARKS.sub(" ", lead).split()
    candidates = [word for word in words if word.startswith("to=")] or [word for word in words if word not in NO_NAMES]
    callee = CALLEE.fullmatch(candidates[-1]) if candidates else None
    return callee[1] if callee else ""


def called(name: str, value: JSON) -> list[JSON]:
    """The calls in a value, each as an object with a name and arguments."""
    if name and isinstance(value, dict):
        return [{"name": name, "arguments": value}]
    return cast("list[JSON]", value) if isinstance(value, list) else [value]
