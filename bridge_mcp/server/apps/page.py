"""The page of the card: one file without a request of its own, as hosts want it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["card_page"]

MARK = 'data-decides="false"'


def card_page(*, decides: bool) -> str:
    """The page; with buttons, where a verdict counts."""
    text = page()
    return text.replace(MARK, 'data-decides="true"', 1) if decides else text


@cache
def page() -> str:
    return (files("bridge_mcp.server.apps") / "approvals.html").read_text("utf-8")
