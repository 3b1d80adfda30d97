"""Parses tool calls that a model wrote into its text, and leaves JSON that is meant for people alone.

A call is a JSON object, in a fence, in a <tool_call> tag (as several open models were trained), or bare on a line of
its own; or it is all tags (`tag_call_parser`), or special tokens (`token_call_parser`). Knows nothing of requests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Set
from typing import cast

from msgspec import Struct

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import JSON, read_json, read_json_at
from bridge_mcp.models import token_call_parser
from bridge_mcp.models.tag_call_parser import calls_in_tags
from bridge_mcp.ports import ModelCall

__all__ = ["split", "written_calls"]

FENCES = frozenset({"", "json", "tool", "tool_call", "tool_calls", "tool_code"})
"""Info strings of a fence that may hold a call."""

START = re.compile(
    rf"(?P<token>{token_call_parser.START})"
    r"|^[ \t]*(?:```(?P<fence>[\w-]*)[ \t]*$"
    r"|(?P<tag><(?:\w+:)?(?:tool_calls?|function_calls)>)"
    r"|(?P<call><(?:\w+:)?(?P<element>invoke|function)(?:=|\s+name\s*=))"
    r"|(?P<bare>[\[{]))",
    re.MULTILINE,
)
BEGUN = re.compile(
    rf"(?:(?:{token_call_parser.BEGUN})"
    r"|^[ \t]*(?:`{1,2}|```[\w-]*|<[a-z_:]*|<(?:\w+:)?(?:invoke|function)[\s=][^>\n]*))\Z",
    re.MULTILINE,
)
"""The end of a growing text that may become the start of a call."""

NAMES = ("tool", "name", "function", "tool_name")
ARGUMENTS = ("arguments", "args", "parameters", "input")
NAMED = re.compile(r'"(?:tool|name|function|tool_name)"\s*:\s*"([^"]*)"')


class Block(Struct, frozen=True):
    """A part of a text that may be a call: its position, its body, and whether it is marked as a call."""

    start: int
    end: int
    body: str
    marked: bool
    closed: bool = True
    tagged: bool = False
    fenced: bool = False


def split(text: str, names: Set[str], *, whole: bool = True) -> tuple[str, tuple[ModelCall, ...]]:
    """The text for people, and the calls in it; `names` are the names of all tools.

    If the text is not `whole` yet, an end that may still become a call is left out.
    """
    text = token_call_parser.with_plain_tags(text)
    prose: list[str] = []
    calls: list[tuple[str, str]] = []
    at = 0
    for block in blocks(text, whole):
        block_calls = read(block, names) if block.closed or whole else []
        if block_calls is None:
            continue
        prose.append(text[at : block.start])
        calls.extend(block_calls)
        at = block.end
    remainder = text[at:]
    prose.append(remainder if whole else BEGUN.sub("", remainder))
    visible = re.sub(r"\n{3,}", "\n\n", "".join(prose)).strip()
    return visible, tuple(ModelCall(f"call_{index}", tool, arguments) for index, (tool, arguments) in enumerate(calls))


def written_calls(text: str, names: Set[str]) -> tuple[str, tuple[str, ...]]:
    """A text without the calls that a model wrote into it by mistake, and the names of their tools.

    A fence counts as text, and so does JSON with other text around it.
    """
    original, text = text, token_call_parser.with_plain_tags(text)
    prose: list[str] = []
    tools: list[str] = []
    at = 0
    for block in blocks(text, True):
        if not block.tagged and (text[: block.start] + text[block.end :]).strip():
            continue
        block_calls = None if block.fenced else read(block, names)
        if block_calls and any(name in names for name, _ in block_calls):
            prose.append(text[at : block.start])
            tools += [name for name, _ in block_calls]
            at = block.end
    return re.sub(r"\n{3,}", "\n\n", "".join((*prose, text[at:]))).strip() if tools else original, tuple(tools)


def blocks(text: str, whole: bool) -> Iterator[Block]:
    """Every part that may be a call, in order."""
    at = 0
    while start := START.search(text, at):
        block = block_at(text, start, whole)
        at = max(block.end, start.end())
        if block.body:
            yield block


def block_at(text: str, start: re.Match[str], whole: bool) -> Block:
    """The block that begins at `start`; without a body if it is none."""
    begin = start.start()
    if start["token"]:
        section = token_call_parser.section_at(text, begin)
        # An incomplete block is held back while the text grows, and is text once that has ended.
        body = section.body or ("" if whole or section.whole else text[begin:])
        return Block(begin, section.end, body, marked=True, closed=section.whole, tagged=True)
    if start["bare"]:
        opening = start.end() - 1
        try:
            _, end = read_json_at(text, opening)
        except BadJSON:
            body_text = text[opening:]
            match = NAMED.search(body_text) if whole else re.match(r'[\[{]\s*(?:[{"]|\Z)', body_text)
            return Block(begin, len(text), body_text if match else "", marked=False, closed=False)
        return Block(begin, end, text[opening:end], marked=False)
    if start["call"]:
        close = re.compile(rf"</(?:\w+:)?{start['element']}>").search(text, start.end())
        end = close.end() if close else len(text)
        return Block(begin, end, text[start.start("call") : end], marked=False, closed=close is not None, tagged=True)
    if start["tag"]:
        mark, marked = start["tag"].replace("<", "</"), True
        close = re.compile(re.escape(mark)).search(text, start.end())
    else:
        marked = start["fence"].startswith("tool")
        close = re.compile(r"^[ \t]*```[ \t]*$", re.MULTILINE).search(text, start.end() + 1)
    end = close.end() if close else len(text)
    body = text[start.end() : close.start() if close else end].strip()
    is_call = marked or (start["fence"] in FENCES and (body[:1] in ("{", "[") or not (body or whole or close)))
    tagged = start["tag"] is not None
    closed = close is not None
    return Block(
        begin, end, (body or "{}") if is_call else "", marked=marked, closed=closed, tagged=tagged, fenced=not tagged
    )


def read(block: Block, names: Set[str]) -> list[tuple[str, str]] | None:
    """The calls of a block as pairs of name and arguments; None if it belongs to the text."""
    if block.tagged and (inside := calls_in_tags(block.body)):
        return inside if block.marked or any(name in names for name, _ in inside) else None
    try:
        value = read_json(block.body)
    except BadJSON:
        line_calls = lines_of_calls(block.body, names)
        if line_calls:
            return line_calls
        match = NAMED.search(block.body)
        # The arguments as they came: the check of arguments tells the model what is wrong.
        is_call = block.marked or (match is not None and (match[1] in names or '"arguments"' in block.body))
        return [(match[1] if match else "", block.body)] if is_call else None
    calls = calls_of(value, names, block.marked)
    if calls or not block.marked:
        return calls
    return [("", block.body)]


def lines_of_calls(body: str, names: Set[str]) -> list[tuple[str, str]]:
    """The calls of a body with several JSON objects."""
    all_calls: list[tuple[str, str]] = []
    at = 0
    while at < len(body):
        try:
            value, at = read_json_at(body, at)
        except BadJSON:
            return []
        calls = calls_of(value, names, True)
        if not calls:
            return []
        all_calls += calls
        at += len(body[at:]) - len(body[at:].lstrip(" \t\r\n,"))
    return all_calls


def calls_of(value: object, names: Set[str], marked: bool) -> list[tuple[str, str]] | None:
    """The calls that a JSON value describes; None if it is no call."""
    if isinstance(value, list):
        nested = [calls_of(item, names, marked) for item in cast("list[object]", value)]
        return [call for calls in nested if calls for call in calls] if nested and all(nested) else None
    if not isinstance(value, dict):
        return None
    fields = cast("dict[str, JSON]", value)
    if isinstance(fields.get("tool_calls"), list):
        return calls_of(fields["tool_calls"], names, True)
    if isinstance(fields.get("function"), dict):
        return calls_of(fields["function"], names, True)
    return one_call(fields, names, marked)


def one_call(fields: Mapping[str, JSON], names: Set[str], marked: bool) -> list[tuple[str, str]] | None:
    """The call that an object describes. An object for people may have a name too, so arguments are required."""
    key = next((key for key in NAMES if isinstance(fields.get(key), str)), None)
    if key is None:
        return None
    name = str(fields[key])
    arguments = next((fields[key] for key in ARGUMENTS if key in fields), None)
    is_call = marked or name in names or (key.startswith("tool") and isinstance(arguments, dict))
    if not is_call:
        return None
    if isinstance(arguments, str):
        return [(name, arguments)]
    return [(name, json.dumps({} if arguments is None else arguments, ensure_ascii=False))]
