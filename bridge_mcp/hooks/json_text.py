"""JSON files that people and programs share, changed in place: what is not ours stays as it is, byte for byte.

The text is scanned once for where each value stands, comments and trailing commas included, as several hosts take them.
A change is an insertion or a removal; whoever makes one reads the result again, and holds it to what was meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.tools import JSON

__all__ = ["Node", "appended", "node_at", "removed", "scanned"]

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
        raise BadInput(f"There is more behind the JSON, at character {node.end}.")
    return node


def gap(text: str, at: int) -> int:
    """The next token's place."""
    found = GAP.match(text, at)
    return found.end() if found else at


def value_at(text: str, at: int, depth: int) -> Node:
    first = text[at : at + 1]
    if depth > MAX_DEPTH:
        raise BadInput("It is nested too deep.")
    if first in ("{", "["):
        return container_at(text, at, depth, "}" if first == "{" else "]")
    found = (STRING if first == '"' else WORD).match(text, at)
    if not found:
        raise BadInput(f"No value stands at character {at}.")
    return Node(at, found.end())


def container_at(text: str, at: int, depth: int, close: str) -> Node:
    node = Node(at, keys=[] if close == "}" else None, items=[])
    assert node.items is not None
    here = gap(text, at + 1)
    while text[here : here + 1] != close:
        node.heads.append(here)
        if node.keys is not None:
            name = STRING.match(text, here)
            colon = gap(text, name.end()) if name else here
            if not name or text[colon : colon + 1] != ":":
                raise BadInput(f"A name and a colon are missing at character {here}.")
            node.keys.append(str(json.loads(name.group())))
            here = gap(text, colon + 1)
        node.items.append(value_at(text, here, depth + 1))
        here = gap(text, node.items[-1].end)
        comma = text[here : here + 1] == ","
        node.commas.append(here if comma else -1)
        here = gap(text, here + 1) if comma else here
        if not comma and text[here : here + 1] != close:
            raise BadInput(f"A comma is missing at character {here}.")
    node.end = here + 1
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
    root, known = scanned(text), list(path)
    while known and node_at(root, known) is None:
        known.pop()
    node = node_at(root, known)
    missing = list(path[len(known) :])
    wanted = node is not None and node.items is not None and (node.keys is None) == (not missing)
    if node is None or not wanted:
        raise BadInput(f"'{'.'.join(known) or 'the file'}' is not what it should be.")
    member: JSON = [value] if missing else value
    for name in reversed(missing[1:]):
        member = {name: member}
    return inserted(text, node, missing[0] if missing else None, member, depth=len(known) + 1)


def inserted(text: str, node: Node, name: str | None, value: JSON, *, depth: int) -> str:
    """The text with a member, or an item, at the end of an object or a list."""
    line = "\r\n" if "\r\n" in text else "\n"
    found = INDENT.search(text)
    unit = found.group(1) if found else "  "
    step = unit if set(unit) <= {"\t"} else unit[: min(len(unit), 8)]
    whole = json.dumps(value, indent=step, ensure_ascii=False)
    if name is not None:
        whole = f"{json.dumps(name, ensure_ascii=False)}: {whole}"
    whole = whole.replace("\n", line + step * depth)
    close = node.end - 1
    last = len(text[:close].rstrip())
    behind = text[last:close]
    ending = behind if "\n" in behind else line + step * (depth - 1)
    tail = f"{line}{step * depth}{whole}{ending}{text[close:]}"
    if not node.items:
        return text[:last] + tail
    comma, end = node.commas[-1], node.items[-1].end
    if comma >= 0:
        return text[:last] + tail.replace(whole, f"{whole},", 1)
    return f"{text[:end]},{text[end:last]}{tail}"


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
    begin = len(text[:start].rstrip())
    if comma >= 0:
        return text[:begin] + text[end:comma] + text[comma + 1 :]
    if index:
        before = node.commas[index - 1]
        return text[:before] + text[before + 1 : begin] + text[end:]
    close = node.end - 1
    return text[:begin] + (text[end:close].strip() and text[end:close]) + text[close:]
