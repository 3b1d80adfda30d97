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
    for whole in pieces:
        for piece in [whole] if size(whole) <= most else cut(whole, most):
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
    room, held = most - 1, list[Json]()
    for element in piece["elements"]:
        rest = shown(element)
        while rest:
            if len(rest) > room and (at := border(rest, room, begun=bool(held))) >= 0:
                if at:
                    held.append(element | {"text": rest[:at]})
                yield piece | {"elements": held}
                rest, held, room = rest[at:].lstrip("\n"), [], most - 1
            else:
                held.append(element | {"text": rest})
                room -= len(rest)
                rest = ""
    if held and plain_of(held).strip():
        yield piece | {"elements": held}


def cut_list(piece: Json, most: int) -> Iterator[Json]:
    """A long list as several lists; an item that is too long itself goes on as a paragraph."""
    held, first = list[Json](), int(piece.get("offset", 0))
    for item in piece["elements"]:
        trial = piece | {"elements": [*held, item], "offset": first}
        if size(trial) <= most:
            held.append(item)
            continue
        if held:
            yield piece | {"elements": held} | ({"offset": first} if first else {})
            first += len(held)
        alone = piece | {"elements": [item], "offset": first}
        if size(alone) <= most:
            held = [item]
        else:
            held, first = [], first + 1
            yield from cut(item, most)
    if held:
        yield piece | {"elements": held} | ({"offset": first} if first else {})


def border(words: str, room: int, *, begun: bool) -> int:
    """Where to cut within the first `room` characters: behind a line or a word; 0 before all where enough has begun."""
    for sign in ("\n", " "):
        at = words.rfind(sign, room // 2, room)
        if at > 0:
            return at + 1
    return 0 if begun and room < 200 else max(1, room)
