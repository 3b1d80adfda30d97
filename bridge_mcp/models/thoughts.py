"""Removes thoughts (reasoning in tags) from a model's text.

Servers without a reasoning parser leave thoughts in the answer: between tags, or, if the chat template has opened the
tag already, before a closing tag alone. Neither people nor the next request should see them. A tag in a code fence or
between backticks is text. Knows no provider.
"""

from __future__ import annotations

import re

from bridge_mcp.ports import OnText

__all__ = ["DraftFilter", "without_thoughts"]

NAMES = r"(?:think|thinking|thought|thoughts|reasoning|seed:think|mm:think)"
OPENING = rf"<{NAMES}(?:\s[^<>\n]{{0,60}})?>|\[THINK\]|◁think▷|<\|channel\|>analysis<\|message\|>"
CLOSING = (
    rf"</{NAMES}>|\[/THINK\]|◁/think▷"
    r"|(?:<\|end\|>)?(?:<\|start\|>assistant)?<\|channel\|>final<\|message\|>"
    r"|<\|end\|>(?=<\|start\|>assistant<\|channel\|>commentary)"
)
LAST = re.compile(r"<\|return\|>\s*\Z")
"""The end of an answer in the harmony format, whose channels are the tokens above."""

CLOSE = re.compile(CLOSING, re.IGNORECASE)
ANY = re.compile(f"{OPENING}|{CLOSING}", re.IGNORECASE)
MARK = re.compile(
    rf"(?P<fence>^[ \t]*(?:`{{3,}}|~{{3,}}))|(?P<code>`[^`\n]+`)|(?P<open>{OPENING})|(?P<close>{CLOSING})",
    re.IGNORECASE | re.MULTILINE,
)
BEGUN = re.compile(
    rf"(?:(?:<|\[|◁)[/|]?[A-Za-z:]{{0,11}}\|?|<{NAMES}\s[^<>\n]{{0,60}}"
    r"|<\|(?:channel|start)\|>\w{0,10}(?:<\|?\w{0,7}\|?(?:>\w{0,10}(?:<\|?\w{0,7}\|?)?)?)?)\Z",
    re.IGNORECASE,
)
"""The end of a growing text that may become a tag."""

MAX_BLANKS = 80

LONGEST = 80
"""Characters of the longest tag."""


def without_thoughts(text: str, *, whole: bool = True) -> tuple[str, bool]:
    """The text without thoughts, and whether it had any.

    If the text is not `whole` yet, a tag that may still be closed hides what follows it.
    """
    if not ANY.search(text):
        return text, False
    visible: list[str] = []
    at, thought, closes = 0, False, True
    while mark := MARK.search(text, at):
        if mark["fence"]:
            end = fence_end(text, mark)
            visible.append(text[at:end])
            at = end
        elif mark["code"]:
            visible.append(text[at : mark.end()])
            at = mark.end()
        elif mark["close"]:
            # The first closing tag of all ends the thought that the chat template has opened; a later one is stray.
            visible = visible if thought else []
            visible.append(text[at : mark.start()] if thought else "")
            at, thought = mark.end(), True
        else:
            close = CLOSE.search(text, mark.end()) if closes else None
            closes = close is not None  # searched once: none after this position means none after a later one
            if close is None and whole and not opens_a_line(text, mark.start()):
                visible.append(text[at : mark.end()])  # the text is about the tag
                at = mark.end()
                continue
            visible.append(text[at : mark.start()])
            at, thought = close.end() if close else len(text), True
    visible.append(text[at:])
    joined = "".join(visible)
    return (re.sub(r"\n{3,}", "\n\n", LAST.sub("", joined)).strip() if thought else text), thought


def fence_end(text: str, mark: re.Match[str]) -> int:
    """The end of the fence that begins at `mark`; the end of the text if it is not closed."""
    ticks = mark["fence"].strip()
    close = re.compile(rf"^[ \t]*{re.escape(ticks[0])}{{{len(ticks)},}}[ \t]*$", re.MULTILINE)
    closing = close.search(text, mark.end())
    return closing.end() if closing else len(text)


def opens_a_line(text: str, at: int) -> bool:
    """Whether at most `MAX_BLANKS` blanks precede this position on its line."""
    before = text[max(0, at - MAX_BLANKS) : at]
    _, newline, blanks = before.rpartition("\n")
    return not blanks.strip() and bool(newline or at <= MAX_BLANKS)


class DraftFilter:
    """Passes on growing texts of one model without thoughts; remembers how the model marks them."""

    def __init__(self) -> None:
        self._closes_only = False
        """Whether the model closes a tag that it has not opened: then nothing is shown before that."""

    def of(self, on_text: OnText) -> OnText:
        """A filter for one new reply."""
        length, marked, last = 0, False, ""

        def pass_on(text: str) -> None:
            nonlocal length, marked, last
            marked = marked or ANY.search(text, max(0, length - LONGEST)) is not None
            length = len(text)
            if not text:
                marked, last = False, ""
                on_text("")
                return
            visible = self._says(text, marked)
            if visible != last:
                last = visible
                on_text(visible)

        return pass_on

    def _says(self, text: str, marked: bool) -> str:
        if not marked:
            return "" if self._closes_only else BEGUN.sub("", text)
        visible, thought = without_thoughts(text, whole=False)
        if thought and not re.match(rf"\s*(?:{OPENING})", text, re.IGNORECASE):
            first = ANY.search(text)
            self._closes_only = self._closes_only or (first is not None and CLOSE.match(first[0]) is not None)
        return BEGUN.sub("", visible)
