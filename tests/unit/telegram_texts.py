"""Texts of all kinds for tests of the Telegram channel: any Unicode, and Markdown put together from its pieces."""

from __future__ import annotations

from hypothesis import strategies as st

__all__ = ["any_text", "markdown"]

SPECIAL = (
    "\u200d \u0301 \u0308 \ufe0f \U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea "
    "\u1100\u1161\u11a8 \u202e \u2028 a\u030a \u3164 \x00 \x1f \x0c \ud83d \ude00 \u0915\u094d\u0937 \u0e33"
).split(" ")
PIECES = (
    "**bold** *it* ***both*** ~~gone~~ `code` ``a`b`` ||hidden|| [words](https://example.com/a?b=c&d) [rel](./x.md) "
    "[](https://example.org) ![pic](https://example.com/x.png) ![](u) <https://auto.example> <b> </b> <br> <!--c--> "
    "$x^2$ $$\\frac{1}{2}$$ \\(a_1\\) $HOME ** * _ __ ` ``` ~~~ | || [ ]( [^1] [r] [r]: \\ & &amp; &#0; > # ! - + "
    "<div> </details> ~ $ http://bare.example a@b.example"
).split(" ")
BLOCKS = (
    "# Head\n",
    "Set\n===\n",
    "> quote\n> more\n",
    "> > deep\n",
    "- item\n  - sub\n    1. deeper\n",
    "1. one\n2. two\n",
    "- [ ] open\n- [x] done\n",
    "```python\nfor x in y:\n    z(x)\n```\n",
    "```a b, c\n```\n",
    "~~~\nopen fence\n",
    "    indented\n",
    "| a | b |\n|---|:-:|\n| [l](https://t.example) | `c` ||d|| <br>e |\n",
    "<div>\n*in html*\n</div>\n",
    "[r]: https://ref.example 'title'\n",
    "[unused]: https://unused.example\n",
    "***\n",
    "\n",
    "\\[\\sqrt{2}\\]\n",
)


def any_text() -> st.SearchStrategy[str]:
    """Any Unicode, half surrogates included, with what is hard to cut made likely."""
    chars = st.characters(codec=None)
    return st.lists(st.one_of(st.text(chars, max_size=8), st.sampled_from(SPECIAL), st.just(" ")), max_size=40).map(
        "".join
    )


def markdown(*, formulas: bool = True) -> st.SearchStrategy[str]:
    """Markdown, well made and badly, with any text between its pieces."""
    pieces = [piece for piece in PIECES if formulas or "\\(" not in piece]
    blocks = [block for block in BLOCKS if formulas or "\\[" not in block]
    inline = st.one_of(st.sampled_from(pieces), st.sampled_from(SPECIAL), st.sampled_from(["a", "word", " ", "\n"]))
    line = st.lists(st.one_of(inline, st.text(max_size=5)), max_size=8).map("".join)
    block = st.one_of(st.sampled_from(blocks), line.map(lambda text: text + "\n"))
    quoted = st.tuples(st.sampled_from(["", "", "> ", "- ", "  ", "1. "]), block).map("".join)
    return st.lists(quoted, max_size=12).map("".join)
