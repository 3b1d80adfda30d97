"""What may hang under a message: inline keyboards, and the keyboards that replace a phone's own.

https://core.telegram.org/bots/api#inlinekeyboardmarkup. Knows nothing of messages.
"""

from __future__ import annotations

import json
from typing import Any, cast

from tests.servers.telegram.refusals import bad_request
from tests.servers.telegram.texts import Object

__all__ = ["checked_markup"]

MAX_DATA_BYTES = 64
MAX_BUTTONS = 100
MAX_IN_ROW = 8
MAX_PLACEHOLDER = 64
ACTIONS = ("url", "callback_data", "switch_inline_query", "switch_inline_query_current_chat", "web_app", "copy_text")


def checked_markup(source: str, *, inline_only: bool = False) -> Object | None:
    """The markup as it was sent, or None for none. Raises `Refusal`.

    `inline_only`: an edit takes nothing but an inline keyboard.
    """
    if not source:
        return None
    try:
        read: object = json.loads(source)
    except ValueError:
        raise bad_request("can't parse reply keyboard markup JSON object") from None
    if not isinstance(read, dict):
        raise bad_request("object expected as reply markup")
    markup = cast("Object", read)
    if "inline_keyboard" in markup:
        return inline(markup["inline_keyboard"])
    if inline_only and markup:
        raise bad_request("inline keyboard expected")
    if "keyboard" in markup:
        plain(markup["keyboard"])
    if len(str(markup.get("input_field_placeholder") or "")) > MAX_PLACEHOLDER:
        raise bad_request("input field placeholder is too long")
    return markup or None


def inline(rows: object) -> Object | None:
    """An inline keyboard with every button checked; None for one without buttons."""
    problem = 'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays'
    if not isinstance(rows, list):
        raise bad_request('field "inline_keyboard" must be of type Array')
    kept: list[list[Object]] = []
    for row in cast("list[object]", rows):
        if not isinstance(row, list):
            raise bad_request(problem)
        buttons = [button(value) for value in cast("list[object]", row)]
        if buttons:
            kept.append(buttons[:MAX_IN_ROW])
    if sum(map(len, kept)) > MAX_BUTTONS:
        raise bad_request("reply markup is too long")
    return {"inline_keyboard": kept} if kept else None


def button(value: object) -> Object:
    if not isinstance(value, dict):
        raise unreadable("InlineKeyboardButton must be an Object")
    given = cast("dict[str, Any]", value)
    if not isinstance(given.get("text"), str):
        raise unreadable('Can\'t find field "text"' if "text" not in given else 'Field "text" must be of type String')
    if not given["text"].strip():
        raise bad_request("can't parse inline keyboard button: text must be non-empty")
    # An empty callback_data counts as none.
    action = next((name for name in ACTIONS if name in given and (given[name] or name.startswith("switch"))), None)
    if action is None:
        raise unreadable("Text buttons are unallowed in the inline keyboard")
    if action == "callback_data" and len(str(given[action]).encode("utf-8", "surrogatepass")) > MAX_DATA_BYTES:
        raise bad_request("BUTTON_DATA_INVALID")
    if action == "url" and not _is_url(str(given[action])):
        raise bad_request(f"inline keyboard button URL '{given[action]}' is invalid: Wrong HTTP URL")
    return {name: given[name] for name in ("text", action, "icon_custom_emoji_id", "style") if name in given}


def _is_url(url: str) -> bool:
    return "." in url or url.startswith(("tg://", "http://localhost", "https://localhost"))


def plain(rows: object) -> None:
    problem = 'field "keyboard" must be an Array of Arrays'
    if not isinstance(rows, list):
        raise bad_request(problem)
    for row in cast("list[object]", rows):
        if not isinstance(row, list):
            raise bad_request(problem)
        for value in cast("list[object]", row):
            named = cast("dict[str, Any]", value).get("text") if isinstance(value, dict) else value
            if not isinstance(named, str):
                raise bad_request("can't parse keyboard button: KeyboardButton must be a String or an Object")


def unreadable(what: str) -> Exception:
    return bad_request(f"can't parse inline keyboard button: {what}")
