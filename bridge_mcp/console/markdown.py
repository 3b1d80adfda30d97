"""Markdown of messages as HTML: without raw HTML, without remote images, and with links that say where they lead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup, escape

from bridge_mcp.core.safe_text import visible

__all__ = ["rendered"]

MAX_MARKDOWN = 20_000
"""Characters of a message whose Markdown is rendered; a longer one is shown as it was written."""

SCHEMES = ("http://", "https://", "mailto:", "tel:")


class Renderer(RendererHTML):
    """HTML with links in a new tab, that tell nobody where they were followed from, and with links for images."""

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Mapping[str, Any]) -> str:
        """A link, with its address as the tooltip, whatever its text says."""
        address = str(tokens[idx].attrGet("href") or "")
        return opening(address)

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Mapping[str, Any]) -> str:
        """A link to the image: nothing is fetched from elsewhere because somebody wrote so."""
        token = tokens[idx]
        words = token.content or "image"
        return f"{opening(str(token.attrGet('src') or ''))}🖼 {escape(words)}</a>"


def opening(address: str) -> str:
    if not address.lower().startswith(SCHEMES):
        return "<a>"
    title = escape(visible(address))
    return f'<a href="{escape(address)}" title="{title}" rel="noopener noreferrer nofollow" target="_blank">'


@cache
def parser() -> MarkdownIt:
    """CommonMark with tables and strikethrough; raw HTML is text."""
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}, renderer_cls=Renderer)
    return markdown.enable(["table", "strikethrough"])


@lru_cache(maxsize=1024)
def rendered(text: str) -> Markup:
    """A message's text as HTML. What hides in it is visible; a very long one is plain text."""
    visible_text = visible(text, lines=True)
    if len(visible_text) > MAX_MARKDOWN:
        return Markup("<pre>{}</pre>").format(visible_text)
    return Markup(parser().render(visible_text))
