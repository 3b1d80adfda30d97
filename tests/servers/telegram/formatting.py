"""From the parameters of a request to the text of a message: check, clean, trim, and find what Telegram finds.

https://core.telegram.org/bots/api#formatting-options. It takes entities only; a `parse_mode` is refused.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, cast

from tests.servers.telegram.refusals import bad_request
from tests.servers.telegram.texts import Entity, Rich, units

__all__ = ["MAX_CAPTION", "MAX_TEXT", "cleaned", "formatted", "found_in"]

MAX_TEXT = 4096
"""Of a message, in UTF-16 code units after cleaning."""
MAX_CAPTION = 1024
MAX_SOURCE_BYTES = 1 << 15
MAX_ENTITIES = 100
"""Of those that a request brings; Telegram passes over the ones behind, without a word."""
FOUND = frozenset({"mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number", "bank_card_number"})
"""Telegram finds these itself; sent ones are dropped."""
PLAIN = frozenset(
    "bold italic underline strikethrough spoiler blockquote expandable_blockquote code pre text_link text_mention "
    "custom_emoji".split()
)
CONTROL = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x20]")
DROPPED = re.compile(r"[\r\u2028-\u202e\u0333\u033f\u030a]")
PATTERNS = (
    (
        "url",
        re.compile(r"(?<![\w@/.])(?:https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]|(?:[\w-]+\.)+(?:com|org|net|io|dev|me)\b)"),
    ),
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]+@(?:[\w-]+\.)+[a-zA-Z]{2,}\b")),
    ("bot_command", re.compile(r"(?<![\w/<>@])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])")),
    ("mention", re.compile(r"(?<![\w@])@[A-Za-z0-9_]{3,32}\b")),
    ("hashtag", re.compile(r"(?<![\w#])#\w*[^\W\d]\w*")),
)


def formatted(text: str, parse_mode: str = "", entities: object = None) -> Rich:
    """What was asked for, before cleaning. Raises `Refusal`, also for a parse mode: no text is parsed here."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_SOURCE_BYTES:
        raise bad_request("text is too long")
    if text and parse_mode.lower() not in ("", "none"):
        raise bad_request("unsupported parse_mode")
    if not isinstance(entities, list):
        return Rich(text)
    read = (entity(value) for value in cast("list[object]", entities))
    kept = [found for found in read if found is not None and found.length > 0]
    return Rich(text, tuple(sorted(kept, key=lambda found: (found.offset, -found.length))))


def entity(value: object) -> Entity | None:
    """One MessageEntity as it was sent; None when Telegram would find it itself."""
    if not isinstance(value, dict):
        raise unreadable("expected an Object")
    given = cast("dict[str, Any]", value)
    kind = given.get("type")
    for name in ("offset", "length"):
        if not isinstance(given.get(name), int):
            raise unreadable(
                f'Can\'t find field "{name}"' if name not in given else f'Field "{name}" must be of type Number'
            )
        if not 0 <= given[name] <= 1_000_000:
            raise bad_request(f"receive an entity with incorrect {name} {given[name]}")
    if kind in FOUND:
        return None
    if kind not in PLAIN:
        raise unreadable("Unsupported type specified")
    user = given.get("user")
    person = cast("dict[str, Any]", user).get("id") if isinstance(user, dict) else None
    if kind == "text_mention" and not isinstance(person, int):
        raise unreadable('Can\'t find field "user"')
    return Entity(
        str(kind),
        given["offset"],
        given["length"],
        url=str(given.get("url") or ""),
        language=str(given.get("language") or ""),
        user_id=person if isinstance(person, int) else 0,
        custom_emoji_id=str(given.get("custom_emoji_id") or ""),
    )


def unreadable(what: str) -> Exception:
    return bad_request(f"can't parse MessageEntity: {what}")


def cleaned(rich: Rich, *, may_be_empty: bool = False) -> Rich:
    """As it will stand in the chat: entities checked, control characters gone, blanks at both ends gone, links found.

    Raises `Refusal` when an entity lies beside the text or nothing is left of it.
    """
    check_places(rich)
    text, entities = without_dropped(replace(rich, entities=rich.entities[:MAX_ENTITIES]))
    text = CONTROL.sub(" ", text)
    kept = text.rstrip(" \n")
    if not kept:
        if may_be_empty:
            return Rich("")
        raise bad_request("text must be non-empty" if rich.text else "message text is empty")
    last = units(kept)
    entities = [replace(e, length=min(e.end, last) - e.offset) for e in entities if e.offset < last]
    first = min((e.offset for e in entities), default=last)
    lead = min(len(kept) - len(kept.lstrip(" \n")), first)
    entities = [replace(e, offset=e.offset - lead) for e in entities]
    literal = [e for e in entities if e.type in ("pre", "code")]
    entities = [e for e in entities if e in literal or not any(barred(e, block) for block in literal)]
    whole = Rich(kept[lead:], tuple(entities))
    extra = [e for e in found_in(whole.text) if not any(overlap(e, other) for other in hiding(entities))]
    return replace(whole, entities=tuple(sorted([*entities, *extra], key=lambda e: (e.offset, -e.length))))


def hiding(entities: list[Entity]) -> list[Entity]:
    return [e for e in entities if e.type in ("pre", "code", "text_link", "text_mention", "custom_emoji")]


def barred(one: Entity, literal: Entity) -> bool:
    """Whether code bars another entity: what overlaps it, unless it is a quotation that holds it."""
    holds = "blockquote" in one.type and one.offset <= literal.offset and literal.end <= one.end
    return overlap(one, literal) and not holds


def overlap(one: Entity, other: Entity) -> bool:
    return one.offset < other.end and other.offset < one.end


def check_places(rich: Rich) -> None:
    """Refuse an entity that begins or ends beside the text, or in the middle of a pair of surrogates."""
    if not rich.entities:
        return
    total, borders, at, size = rich.units, {0: 0}, 0, 0
    for char in rich.text:
        at += 2 if ord(char) > 0xFFFF else 1
        size += len(char.encode("utf-8", "surrogatepass"))
        borders[at] = size
    for found in rich.entities:
        if found.offset > total:
            raise bad_request(f"entity begins after the end of the text at UTF-16 offset {found.offset}")
        if found.offset not in borders:
            raise bad_request(
                f"entity begins in a middle of a UTF-16 symbol at byte offset {borders[found.offset + 1]}"
            )
        begins = f"entity beginning at UTF-16 offset {found.offset}"
        if found.end > total:
            raise bad_request(f"{begins} ends after the end of the text at UTF-16 offset {found.end}")
        if found.end not in borders:
            raise bad_request(f"{begins} ends in a middle of a UTF-16 symbol at byte offset {borders[found.end + 1]}")


def without_dropped(rich: Rich) -> tuple[str, list[Entity]]:
    """Without the characters Telegram drops, the entities moved along."""
    gone, at = list[int](), 0
    for char in rich.text:
        if DROPPED.match(char):
            gone.append(at)
        at += 2 if ord(char) > 0xFFFF else 1
    if not gone:
        return rich.text, list(rich.entities)
    moved: list[Entity] = []
    for e in rich.entities:
        before, inside = sum(g < e.offset for g in gone), sum(e.offset <= g < e.end for g in gone)
        if e.length > inside:
            moved.append(replace(e, offset=e.offset - before, length=e.length - inside))
    return DROPPED.sub("", rich.text), moved


def found_in(text: str) -> list[Entity]:
    """What Telegram marks without being asked: addresses, commands, mentions, hashtags."""
    found: list[Entity] = []
    for kind, pattern in PATTERNS:
        for match in pattern.finditer(text):
            entity = Entity(kind, units(text[: match.start()]), units(match.group()))
            if not any(overlap(entity, other) for other in found):
                found.append(entity)
    return found
