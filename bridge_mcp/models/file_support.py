"""Which files a model has accepted, and which it has refused: an image of a size or format that it does not read.

A provider answers the whole request with 400 and seldom says which file it means. So a refused request is retried
without the files that were never accepted before; if that succeeds, those were the cause. Knows no provider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cachetools import LRUCache
from msgspec.structs import replace

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.safe_text import escape_markdown
from bridge_mcp.models.files import FileView
from bridge_mcp.ports import ModelReply, ModelRequest

__all__ = ["FileAcceptance", "with_refusal_note"]

ABOUT_FILES = frozenset({"bad_request", "refused"})
"""Kinds of failures that a file can cause."""
REFUSED = FileView(why_not="the model did not take it")
MAX_REMEMBERED = 256
"""Accepted files that are remembered, and as many refused ones."""
MAX_NAME = 60


class FileAcceptance:
    """The files that one model accepts and refuses."""

    def __init__(self) -> None:
        self._taken: LRUCache[str, None] = LRUCache(MAX_REMEMBERED)
        self._refused: LRUCache[str, None] = LRUCache(MAX_REMEMBERED)

    @property
    def refused(self) -> Mapping[str, FileView]:
        """The refused files, which are no longer shown."""
        return dict.fromkeys(self._refused, REFUSED)

    def suspects(self, failure: ModelFailed, views: Mapping[str, FileView]) -> tuple[str, ...]:
        """The images and PDFs that may be why a request was refused: those that were never accepted."""
        if failure.kind not in ABOUT_FILES:
            return ()
        return tuple(ref for ref, each in views.items() if (each.image or each.pdf) and ref not in self._taken)

    def without(self, views: Mapping[str, FileView], suspects: Sequence[str]) -> dict[str, FileView]:
        """`views`, with a note in the place of each suspect."""
        return {**views, **dict.fromkeys(suspects, REFUSED)}

    def learn(self, views: Mapping[str, FileView], suspects: Sequence[str]) -> None:
        """A request with these files, and without the suspects, was accepted."""
        for ref in suspects:
            self._refused[ref] = None
        for ref, each in views.items():
            if each.image or each.pdf:
                self._taken[ref] = None


def with_refusal_note(reply: ModelReply, request: ModelRequest, suspects: Sequence[str]) -> ModelReply:
    """The reply, with a line for the person about the files that the model refused."""
    if not suspects:
        return reply
    files = [each for message in request.messages for each in message.attachments if each.ref in suspects]
    names = ", ".join(dict.fromkeys(escape_markdown(each.name)[:MAX_NAME] or f"the {each.kind}" for each in files))
    line = f"({names or 'A file'} could not be looked at: the model does not take it.)"
    return replace(reply, text=f"{reply.text}\n\n{line}" if reply.text else line)
