"""Which addresses a link in a message may have, and what else hides behind one.

https://core.telegram.org/bots/api#formatting-options. Knows texts and entities only.
"""

from __future__ import annotations

import re

from bridge_mcp.testing.telegram.texts import Draft

__all__ = ["checked_link", "linked_emoji", "linked_user", "marked_link"]

USER = re.compile(r"tg:(?://)?user\?id=(\d+)$", re.IGNORECASE)
EMOJI = re.compile(r"tg:(?://)?emoji\?id=(\d+)$", re.IGNORECASE)
SCHEME = re.compile(r"(?:https?|tg|ton|tonsite)://[^\s/]", re.IGNORECASE)
BARE = re.compile(r"(?:[\w-]+\.)+[a-z\u0080-\uffff]{2,}(?::\d+)?(?:[/?#]\S*)?$", re.IGNORECASE)


def checked_link(url: str) -> str:
    """The address as the message will have it; empty when it is none, and then the text stays plain."""
    url = url.strip()
    if SCHEME.match(url):
        host, slash, rest = url.partition("://")[2].partition("/")
        return url if slash or "?" in host or not url.lower().startswith("http") else f"{url}/{rest}"
    if BARE.match(url):
        return f"http://{url}" if any(mark in url for mark in "/?#") else f"http://{url}/"
    return ""


def linked_user(url: str) -> int:
    """The user behind `tg://user?id=…`; 0 for any other address."""
    found = USER.match(url)
    return int(found.group(1)) if found else 0


def linked_emoji(url: str) -> str:
    """The custom emoji behind `tg://emoji?id=…`; empty for any other address."""
    found = EMOJI.match(url)
    return found.group(1) if found else ""


def marked_link(draft: Draft, start: int, url: str) -> None:
    """Mark what was put since `start` as a link or a mention, or not at all when the address is none."""
    if user := linked_user(url):
        draft.mark("text_mention", start, user_id=user)
    elif checked := checked_link(url):
        draft.mark("text_link", start, url=checked)
