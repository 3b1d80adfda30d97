"""Questions at a terminal: one of several, a text, a secret that is not shown. Ctrl-C and Ctrl-D end all of them.

Plain lines and numbers, which wrap at any width and which a screen reader reads in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from prompt_toolkit import PromptSession
from rich.text import Text

from bridge_mcp.cli.output import Hanging, console
from bridge_mcp.cli.texts import setup as texts

__all__ = ["one_of", "secret", "text"]

T = TypeVar("T")
MAX_CHARS = 1_000
"""Characters of an answer."""


def one_of(question: str, options: Sequence[tuple[T, str]]) -> T:
    """One of several, by its number; the first where nothing is said.

    Raises:
        KeyboardInterrupt: whoever sits there wants no more of it.
    """
    out = console()
    out.print()
    out.print(Text(question, "bold"))
    for number, (_, label) in enumerate(options, 1):
        out.print(Hanging(Text(f"  {number}  ", "bold"), Text(label)))
    while True:
        answer = asked(texts.NUMBER, "", hidden=False) or "1"
        if answer.isascii() and answer.isdigit() and 0 < int(answer) <= len(options):
            return options[int(answer) - 1][0]
        out.print(texts.one_of(len(options)))


def text(question: str, default: str = "") -> str:
    """A text in one line, without blanks around it; what stands there already can be changed.

    Raises:
        KeyboardInterrupt: whoever sits there wants no more of it.
    """
    return asked(question, default, hidden=False)


def secret(question: str) -> str:
    """The same, shown as stars.

    Raises:
        KeyboardInterrupt: whoever sits there wants no more of it.
    """
    return asked(question, "", hidden=True)


def asked(question: str, default: str, *, hidden: bool) -> str:
    try:
        answer = PromptSession[str]().prompt(f"{question}: ", default=default, is_password=hidden)
    except EOFError:
        raise KeyboardInterrupt from None
    return answer.strip()[:MAX_CHARS]
