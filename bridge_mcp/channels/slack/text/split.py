"""Cuts a rich text into messages: between its pieces, else between lines or words, and never within a character."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge_mcp.channels.slack.text.rich_text import Json, plain_of, shown, size

__all__ = ["MAX_TEXT", "split"]

MAX_TEXT = 4_200
"""Characters of one message. Slack advises 4,000 for texts, and takes some 13,000 in all blocks of a message together;
an approval's prompt has at most 4,096, and has to be one message."""


def split(pieces: Sequence[Json], most: int = MAX_TEXT) -> list[list[Json]]:
    """The pieces of each message, in order."""
    messages: list[list[Json]] = []
    left = 0
    for element in pieces:
        for piece in [element] if size(element) <= most else cut(element, most):
            if not messages or size(piece) > left:
                messages.append([])
                left = most
            messages[-1].append(piece)
            left -= size(piece)
    return messages


def cut(piece: Json, most: int) -> Iterator[Json]:
    """A piece that is too long for one message, as several of its kind."""
    if piece["type"] == "rich_text_list":
        yield from cut_list(piece, most)
        return
    room, elements = most - 1, list[Json]()
    for element in piece["elements"]:
        text = shown(element)
        while text:
            if len(text) > room and (at := border(text, room, begun=bool(elements))) >= 0:
                if at:
                    elements.append(element | {"text": text[:at]})
                yield piece | {"elements": elements}
                text, elements, room = text[at:].lstrip("\n"), [], most - 1
            else:
                elements.append(element | {"text": text})
                room -= len(text)
                text = ""
    if elements and plain_of(elements).strip():
        yield piece | {"elements": elements}


def cut_list(piece: Json, most: int) -> Iterator[Json]:
    """A long list as several lists; an item that is too long itself goes on as a paragraph."""
    items, first = list[Json](), int(piece.get("offset", 0))
    for item in piece["elements"]:
        trial = piece | {"elements": [*items, item], "offset": first}
        if size(trial) <= most:
            items.append(item)
            continue
        if items:
            yield piece | {"elements": items} | ({"offset": first} if first else {})
            first += len(items)
        alone = piece | {"elements": [item], "offset": first}
        if size(alone) <= most:
            items = [item]
        else:
            items, first = [], first + 1
            yield from cut(item, most)
    if items:
        yield piece | {"elements": items} | ({"offset": first} if first else {})


def border(words: str, room: int, *, begun: bool) -> int:
    """Where to cut within the first `room` characters: behind a line or a word; 0 before all where enough has begun."""
    for sign in ("\n", " "):
        at = words.rfind(sign, room // 2, room)
        if at > 0:
            return at + 1
    return 0 if begun and room < 200 else max(1, room)
