"""What Block Kit takes: https://docs.slack.dev/reference/block-kit. Each check answers with what Slack would say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.servers.slack.state import Json

__all__ = ["MAX_TOGETHER", "leaves", "length", "links", "many", "pings", "view_problems", "wrong"]

MAX_BLOCKS = 50
MAX_TOGETHER = 13_200
"""Characters over all blocks of a message, as people found them: slackapi/bolt-js#2509."""
INLINE = {"text", "link", "user", "usergroup", "channel", "broadcast", "emoji", "date", "color"}
STYLES = {"bold", "italic", "strike", "code", "underline", "highlight", "client_highlight", "unlink"}
CALLS = re.compile(r"<(!(?:channel|here|everyone)|!subteam\^[^>]*|@[UW][A-Z0-9]+)(?:\|[^>]*)?>")


def wrong(blocks: list[Json], surface: str = "message") -> str:
    """What is wrong with the blocks of a message or a view, with the place; "" for nothing."""
    if len(blocks) > MAX_BLOCKS:
        return f"no more than {MAX_BLOCKS} items allowed [json-pointer:/blocks]"
    for at, block in enumerate(blocks):
        for told in problems(block, surface):
            return f"{told} [json-pointer:/blocks/{at}]"
    return ""


def many(block: Json) -> list[Json]:
    """Its elements."""
    found: Any = block.get("elements")
    return found or []


def problems(block: Json, surface: str) -> Iterator[str]:
    kind = str(block.get("type"))
    if kind in ("section", "header"):
        yield from text_problems(block.get("text"), 3000 if kind == "section" else 150)
    elif kind == "markdown":
        if not 0 < len(str(block.get("text", ""))) <= 12_000:
            yield "must be between 1 and 12000 characters"
    elif kind == "rich_text":
        if not block.get("elements"):
            yield "missing required field: elements"
        for each in many(block):
            yield from rich_problems(each)
    elif kind == "actions":
        yield from row_problems(many(block))
    elif kind == "input" and surface == "view":
        yield from input_problems(block)
    elif kind != "divider":
        yield f"unsupported type: {kind}"


def row_problems(elements: list[Json]) -> Iterator[str]:
    if not 1 <= len(elements) <= 25:
        yield "must have between 1 and 25 items"
    ids = [each.get("action_id") for each in elements]
    if len(set(ids)) != len(ids):
        yield "action_id already exists"
    for each in elements:
        yield from button_problems(each)


def input_problems(block: Json) -> Iterator[str]:
    yield from text_problems(block.get("label"), 2000)
    element = block.get("element", {})
    if element.get("type") != "plain_text_input":
        yield "unsupported element"
    if len(element.get("initial_value", "")) > 3000:
        yield "must be no more than 3000 characters"


def text_problems(text: Any, most: int) -> Iterator[str]:
    if not isinstance(text, dict) or text.get("type") not in ("plain_text", "mrkdwn"):  # pyright: ignore[reportUnknownMemberType]
        yield "missing required field: text"
    elif not 0 < len(str(text.get("text", ""))) <= most:  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        yield f"must be between 1 and {most} characters"


def button_problems(button: Json) -> Iterator[str]:
    if button.get("type") != "button":
        yield "unsupported element"
    yield from text_problems(button.get("text"), 75)
    if button.get("text", {}).get("type") != "plain_text":
        yield "a button's text is plain_text"
    if len(button.get("value", "")) > 2000 or len(button.get("action_id", "")) > 255:
        yield "must be no more than 2000 characters"


def rich_problems(piece: Json) -> Iterator[str]:
    match piece.get("type"):
        case "rich_text_section" | "rich_text_quote":
            yield from inline_problems(piece, INLINE)
        case "rich_text_preformatted":
            yield from inline_problems(piece, {"text", "link"})
        case "rich_text_list":
            if piece.get("style") not in ("bullet", "ordered") or not 0 <= piece.get("indent", 0) <= 8:
                yield "a list has a style, and an indent up to 8"
            if not piece.get("elements"):
                yield "missing required field: elements"
            for item in many(piece):
                if item.get("type") != "rich_text_section":
                    yield "a list holds sections"
                yield from inline_problems(item, INLINE)
        case other:
            yield f"unsupported type: {other}"


def inline_problems(piece: Json, allowed: set[str]) -> Iterator[str]:
    elements = many(piece)
    if not elements:
        yield "missing required field: elements"
    for each in elements:
        if each.get("type") not in allowed:
            yield f"unsupported type: {each.get('type')}"
        if each.get("type") == "text" and not each.get("text"):
            yield "must be more than 0 characters"
        if each.get("type") == "link" and not each.get("url"):
            yield "missing required field: url"
        if set(each.get("style", {})) - STYLES:
            yield "invalid style"


def view_problems(view: Json) -> str:
    """What is wrong with a modal: https://docs.slack.dev/reference/views/modal-views."""
    if view.get("type") != "modal":
        return "unsupported type"
    if not 0 < len(view.get("title", {}).get("text", "")) <= 24:
        return "must be no more than 24 characters [json-pointer:/title]"
    if len(view.get("private_metadata", "")) > 3000 or len(view.get("callback_id", "")) > 255:
        return "must be no more than 3000 characters [json-pointer:/private_metadata]"
    if any(block.get("type") == "input" for block in view["blocks"]) and not view.get("submit"):
        return "missing required field: submit"
    return wrong(view["blocks"], "view")


def leaves(blocks: list[Json]) -> Iterator[Json]:
    """The elements of rich texts."""
    for block in blocks:
        for piece in many(block) if block.get("type") == "rich_text" else []:
            for each in many(piece):
                yield from many(each) if piece["type"] == "rich_text_list" else [each]


def length(blocks: list[Json]) -> int:
    """Characters over all blocks."""
    return sum(len(each.get("text", "")) for each in leaves(blocks)) + sum(
        len(block["text"]) if isinstance(block.get("text"), str) else len(block.get("text", {}).get("text", ""))
        for block in blocks
        if block.get("type") in ("section", "markdown", "header")
    )


def pings(text: str, blocks: list[Json]) -> list[str]:
    """Whom a message calls: by markup in texts, and by elements."""
    marked = [text] + [str(block["text"].get("text", "")) for block in blocks if block.get("type") == "section"]
    found = [match[1] for each in marked for match in CALLS.finditer(each)]
    return found + [each["type"] for each in leaves(blocks) if each["type"] in ("user", "usergroup", "broadcast")]


def links(text: str, blocks: list[Json]) -> list[str]:
    """The addresses that Slack would fetch for a preview."""
    found = re.findall(r"https?://[^\s|>]+", text)
    return found + [each["url"] for each in leaves(blocks) if each["type"] == "link"]
