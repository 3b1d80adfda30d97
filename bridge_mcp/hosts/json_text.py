"""JSON files that people and programs share, changed in place: what is not ours stays as it is, byte for byte.

The text is scanned once for where each value stands, comments and trailing commas included, as several hosts take them.
A change is an insertion or a removal; whoever makes one reads the result again, and holds it to what was meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pyjson5

from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.json_reader import JSON

__all__ = [
    "Node",
    "appended",
    "begun",
    "node_at",
    "read_json5",
    "removed",
    "says_nothing",
    "scanned",
    "with_member",
    "without_member",
]

GAP = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
"""What may stand between two tokens: white space and comments."""
STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
WORD = re.compile(r"[^\s,\]}\"/]+")
INDENT = re.compile(r"^([ \t]+)\S", re.MULTILINE)
MAX_DEPTH = 100


@dataclass(slots=True)
class Node:
    """A value in a text: `text[start:end]`."""

    start: int
    end: int = 0
    keys: list[str] | None = None
    """Of an object: the names of its members."""
    items: list[Node] | None = None
    """The values of an object's members, or of a list."""
    heads: list[int] = field(default_factory=list[int])
    """Where each of them begins, its name included."""
    commas: list[int] = field(default_factory=list[int])
    """Where the comma behind each is; -1 for none."""


def scanned(text: str) -> Node:
    """Where the values of a JSON text stand.

    Raises:
        BadInput: it is no JSON with comments and trailing commas.
    """
    node = value_at(text, gap(text, 1 if text.startswith("\ufeff") else 0), 0)
    if gap(text, node.end) != len(text):
        raise BadInput(f"There is more behind the JSON, in {place(text, node.end)}.")
    return node


def says_nothing(text: str) -> bool:
    """Whether there are only blanks and comments in it."""
    return gap(text, 1 if text.startswith("\ufeff") else 0) == len(text)


def begun(text: str) -> str:
    """A text that says something: one that says nothing gets an empty object behind its comments."""
    if not says_nothing(text):
        return text
    comments = text.removeprefix("\ufeff").strip()
    return f"{comments}{style_of(text)[0]}{{}}{style_of(text)[0]}" if comments else "{}\n"


def place(text: str, at: int) -> str:
    """Where a character stands, for people."""
    before = text[:at]
    return f"line {before.count(chr(10)) + 1}, column {at - before.rfind(chr(10))}"


def gap(text: str, at: int) -> int:
    """The next token's place."""
    match = GAP.match(text, at)
    return match.end() if match else at


def value_at(text: str, at: int, depth: int) -> Node:
    first = text[at : at + 1]
    if depth > MAX_DEPTH:
        raise BadInput("It is nested too deep.")
    if first in ("{", "["):
        return container_at(text, at, depth, "}" if first == "{" else "]")
    match = (STRING if first == '"' else WORD).match(text, at)
    if not match:
        raise BadInput(f"A value is missing in {place(text, at)}.")
    return Node(at, match.end())


def container_at(text: str, at: int, depth: int, close: str) -> Node:
    node = Node(at, keys=[] if close == "}" else None, items=[])
    assert node.items is not None
    position = gap(text, at + 1)
    while text[position : position + 1] != close:
        node.heads.append(position)
        if node.keys is not None:
            name = STRING.match(text, position)
            colon = gap(text, name.end()) if name else position
            if not name or text[colon : colon + 1] != ":":
                raise BadInput(f"A name in double quotes and a colon are missing in {place(text, position)}.")
            node.keys.append(str(json.loads(name.group())))
            position = gap(text, colon + 1)
        node.items.append(value_at(text, position, depth + 1))
        position = gap(text, node.items[-1].end)
        comma = text[position : position + 1] == ","
        node.commas.append(position if comma else -1)
        position = gap(text, position + 1) if comma else position
        if not comma and text[position : position + 1] != close:
            raise BadInput(f"A comma is missing in {place(text, position)}.")
    node.end = position + 1
    return node


def node_at(root: Node, path: Sequence[str]) -> Node | None:
    """The value below these names; None where there is none. Of names that stand twice, the last counts."""
    node = root
    for name in path:
        if node.keys is None or node.items is None or name not in node.keys:
            return None
        node = node.items[len(node.keys) - 1 - node.keys[::-1].index(name)]
    return node


def appended(text: str, path: Sequence[str], value: JSON) -> str:
    """The text with one more value at the end of the list below these names, which are made where they are not there.

    Raises:
        BadInput: what stands there is no object, or no list.
    """
    node, found_path, missing = place_of(text, path)
    if node is None or node.items is None or (node.keys is None) != (not missing):
        raise BadInput(f"'{'.'.join(found_path) or 'the file'}' is not what it should be.")
    member: JSON = [value] if missing else value
    for name in reversed(missing[1:]):
        member = {name: member}
    return inserted(text, node, missing[0] if missing else None, member, depth=len(found_path) + 1)


def with_member(text: str, path: Sequence[str], value: JSON) -> str:
    """The text with a member of this value, in the place of the one that is there; the objects above it are made.

    Raises:
        BadInput: what stands above it is no object.
    """
    node, existing_path, missing = place_of(text, path)
    if node is not None and not missing:
        return text[: node.start] + laid_out(text, value, depth=len(existing_path)) + text[node.end :]
    if node is None or node.keys is None:
        raise BadInput(f"'{'.'.join(existing_path) or 'the file'}' is no object in it.")
    for name in reversed(missing[1:]):
        value = {name: value}
    return inserted(text, node, missing[0], value, depth=len(existing_path) + 1)


def without_member(text: str, path: Sequence[str]) -> str:
    """The text without a member, and without the objects above it that hold nothing then, the outermost excepted."""
    *above, name = path
    node = node_at(scanned(text), above)
    if node is None or node.keys is None or name not in node.keys:
        return text
    assert node.items is not None
    between_members = text[node.start + 1 : node.heads[0]] + text[node.items[-1].end : node.end - 1]
    if len(node.keys) == 1 and above and not between_members.replace(",", "").strip():
        return without_member(text, above)
    return cut(text, node, len(node.keys) - 1 - node.keys[::-1].index(name))


def place_of(text: str, path: Sequence[str]) -> tuple[Node | None, list[str], list[str]]:
    """The deepest value along these names that is there, the names to it, and those that are missing below it."""
    root, found_path = scanned(text), list(path)
    while found_path and node_at(root, found_path) is None:
        found_path.pop()
    return node_at(root, found_path), found_path, list(path[len(found_path) :])


def inserted(text: str, node: Node, name: str | None, value: JSON, *, depth: int) -> str:
    """The text with a member, or an item, at the end of an object or a list."""
    line, step = style_of(text)
    whole = laid_out(text, value, depth=depth)
    if name is not None:
        whole = f"{json.dumps(name, ensure_ascii=False)}: {whole}"
    close = node.end - 1
    last = len(text[:close].rstrip())
    trailing = text[last:close]
    ending = trailing if "\n" in trailing else line + step * (depth - 1)
    tail = f"{line}{step * depth}{whole}{ending}{text[close:]}"
    if not node.items:
        return text[:last] + tail
    comma, end = node.commas[-1], node.items[-1].end
    if comma >= 0:
        return text[:last] + tail.replace(whole, f"{whole},", 1)
    return f"{text[:end]},{text[end:last]}{tail}"


def style_of(text: str) -> tuple[str, str]:
    """How the text ends its lines, and by what it indents them."""
    match = INDENT.search(text)
    unit = match.group(1) if match else "  "
    return "\r\n" if "\r\n" in text else "\n", unit if set(unit) <= {"\t"} else unit[: min(len(unit), 8)]


def laid_out(text: str, value: JSON, *, depth: int) -> str:
    """A value in the style of the text, for a place so many levels deep."""
    line, step = style_of(text)
    return json.dumps(value, indent=step, ensure_ascii=False).replace("\n", line + step * depth)


def removed(text: str, path: Sequence[str], index: int) -> str:
    """The text without one value of the list below these names, and without what is empty then."""
    root = scanned(text)
    node = node_at(root, path)
    assert node is not None
    assert node.items is not None
    if len(node.items) > 1 or not path:
        return cut(text, node, index)
    above = node_at(root, path[:-1])
    assert above is not None
    assert above.keys is not None
    if len(above.keys) == 1 and len(path) > 1:
        outer = node_at(root, path[:-2])
        assert outer is not None
        assert outer.keys is not None
        return cut(text, outer, outer.keys.index(path[-2]))
    return cut(text, above, above.keys.index(path[-1]))


def cut(text: str, node: Node, index: int) -> str:
    """The text without one member or item, the white space before it, and the comma that it needs no more."""
    assert node.items is not None
    start, end, comma = node.heads[index], node.items[index].end, node.commas[index]
    begin, close = len(text[:start].rstrip()), node.end - 1
    if comma >= 0:
        head, rest = text[:begin], text[end:comma] + text[comma + 1 :]
    elif index:
        before = node.commas[index - 1]
        head, rest = text[:before] + text[before + 1 : begin], text[end:]
    else:
        head, rest = text[:begin], (text[end:close].strip() and text[end:close]) + text[close:]
    if "//" in text[:begin].rpartition("\n")[2] and not rest.lstrip(" \t").startswith(("\n", "\r")):
        head += style_of(text)[0]  # a comment goes to the end of its line, and would take in what follows
    return head + rest


def read_json5(text: str) -> dict[str, Any]:
    """What a settings file says.

    Raises:
        BadInput: it is no JSON object.
    """
    try:
        scanned(text)
        value: object = pyjson5.decode(text.removeprefix("\ufeff"))
    except (pyjson5.Json5Exception, RecursionError) as exc:
        raise BadInput(f"It is no JSON: {exc}") from None
    if not isinstance(value, dict):
        raise BadInput("It is no JSON object.")
    return cast("dict[str, Any]", value)
