"""Slack's own markup (mrkdwn): people's messages as Markdown, and texts of ours with nothing of it in them.

https://docs.slack.dev/messaging/formatting-message-text: `&`, `<` and `>` are escaped; `<…>` holds mentions and links.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from bridge_mcp.core.safe_text import name_within

__all__ = ["bare", "escaped", "mentioned", "read"]

REFERENCE = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")
CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
BOLD = re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])")
STRIKE = re.compile(r"(?<![\w~])~(?=\S)([^~\n]+?)(?<=\S)~(?![\w~])")
MAX_TEXT = 3_000
"""Characters of the text beside blocks, which notifications show."""


def escaped(text: str, most: int = MAX_TEXT) -> str:
    """A text in which Slack finds no markup that calls anybody or leads anywhere, cut to so many characters."""
    text = text if len(text) <= most else f"{text[: most - 1]}…"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def mentioned(text: str) -> Iterable[str]:
    """The ids of the users that a message mentions."""
    return [match[1][1:].partition("|")[0] for match in REFERENCE.finditer(text) if match[1].startswith("@")]


def read(text: str, name_of: Callable[[str], str]) -> str:
    """A message as Markdown; `name_of` tells the name of a user.

    What begins with a slash may be a command, whose arguments are taken as they were written: no sign of it is markup.
    """
    if text.lstrip().startswith("/"):
        return in_code(text, name_of)
    pieces = CODE.split(text)
    return "".join(in_code(each, name_of) if at % 2 else in_words(each, name_of) for at, each in enumerate(pieces))


def bare(text: str, me: str, name_of: Callable[[str], str]) -> str:
    """The message without our own mention in front of it; "" where that does not stand there."""
    first = re.match(rf"\s*<@{re.escape(me)}(?:\|[^<>]*)?>[\s,:;]*", text)
    return read(text[first.end() :], name_of) if first else ""


def in_code(text: str, name_of: Callable[[str], str]) -> str:
    """Code: what stands in it is text, but for links that Slack found there."""
    return unescaped(REFERENCE.sub(lambda match: worded(match, name_of, link=False), text))


def in_words(text: str, name_of: Callable[[str], str]) -> str:
    parts, at = list[str](), 0
    for match in REFERENCE.finditer(text):
        parts += [styled(text[at : match.start()]), worded(match, name_of, link=True)]
        at = match.end()
    return "".join([*parts, styled(text[at:])])


def styled(text: str) -> str:
    return unescaped(STRIKE.sub(r"~~\1~~", BOLD.sub(r"**\1**", text)))


def worded(match: re.Match[str], name_of: Callable[[str], str], *, link: bool) -> str:
    """A reference in words: `@name`, `#channel`, `@channel`, or a link."""
    target, label = match[1], match[2] or ""
    match target[:1]:
        case "@":
            return f"@{name_within(label or name_of(target[1:]))}"
        case "#":
            return f"#{name_within(label or target[1:])}"
        case "!":
            command = target[1:].partition("^")[0]
            calls = command in ("here", "channel", "everyone", "subteam")
            return f"@{label.lstrip('@') or command}" if calls else label
        case _:
            url, words = unescaped(target), unescaped(label)
            return f"[{words}]({url})" if link and words and words != url else url
