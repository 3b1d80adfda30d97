"""A call as pages show it: its arguments one below the other, whole or the beginning of each, with what to look at."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from hashlib import sha256

from markupsafe import Markup
from msgspec import Struct

from bridge_mcp.core.call_risks import Risk, mixed_words, risks_of
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.safe_text import pretty, segments
from bridge_mcp.core.tools import JSON, ToolSpec, parse_arguments

__all__ = ["Argument", "CallView", "anchor", "arguments_view", "call_view", "groups_of", "marked"]

SHORT_LINES, SHORT = 14, 1_400
"""Lines and characters of one argument in a list; the call's own page has all of it."""
MARKED = 300_000
"""Characters of a text that is searched for what to mark; what hides is shown in any."""
CLIMB = re.compile(r"\.\.(?=[/\\]|$)")


class Argument(Struct, frozen=True):
    """One argument. `left` is how many characters of it are not shown here."""

    name: str
    shown: Markup
    is_text: bool
    """Whether it is a text, shown as it is; else it is shown as JSON."""
    left: int = 0
    lines: int = 1


class CallView(Struct, frozen=True):
    """An approval as a list or its page shows it."""

    approval: Approval
    arguments: tuple[Argument, ...]
    risks: tuple[Risk, ...]
    may_decide: bool
    siblings: tuple[str, ...] = ()
    """All calls of the same reply that wait, if there are several: what a form says of each (`chosen_as`)."""

    @property
    def cut(self) -> bool:
        """Whether some of the arguments are not shown whole."""
        return any(each.left for each in self.arguments)


def call_view(
    approval: Approval, spec: ToolSpec | None, *, may_decide: bool, siblings: Sequence[str] = (), whole: bool = False
) -> CallView:
    """What is shown of an approval."""
    argument_views = arguments_view(approval.arguments, whole=whole)
    risks = risks_of(approval.arguments, spec)
    return CallView(approval, argument_views, risks, may_decide=may_decide, siblings=tuple(siblings))


def chosen_as(approval: Approval) -> str:
    """What a form says of a call that is decided with others: what was shown of it, and its id."""
    return f"{approval.digest} {approval.id}"


def groups_of(approvals: Sequence[Approval]) -> dict[str, tuple[str, ...]]:
    """By approval: all that belong to one reply with it, as forms name them, where there are several."""
    batches: dict[str, list[str]] = {}
    for each in approvals:
        batches.setdefault(each.batch, []).append(chosen_as(each))
    return {each.id: tuple(batches[each.batch]) for each in approvals if len(batches[each.batch]) > 1}


def arguments_view(arguments: str, *, whole: bool) -> tuple[Argument, ...]:
    """Arguments one by one where they are a JSON object, and as one text where not."""
    try:
        values = parse_arguments(arguments)
    except BadInput:
        return (argument("", arguments, whole=whole),)
    return tuple(argument(name, value, whole=whole) for name, value in values.items())


def argument(name: str, value: JSON, *, whole: bool) -> Argument:
    is_text = isinstance(value, str)
    text = value if isinstance(value, str) else pretty(json.dumps(value, ensure_ascii=False))
    lines = text.count("\n") + 1
    part = text if whole else beginning(text)
    return Argument(name, marked(part), is_text, left=len(text) - len(part), lines=lines)


def beginning(text: str) -> str:
    """The first lines of a text; all of it where little is left out."""
    if len(text) <= SHORT and text.count("\n") < SHORT_LINES:
        return text
    return "\n".join(text[:SHORT].split("\n")[:SHORT_LINES])


def marked(text: str) -> Markup:
    """A text with what hides in it shown and marked, and with marks at what may mislead."""
    return Markup("").join(
        Markup('<mark class="hides">{}</mark>').format(part) if hides else Markup("").join(suspects(part))
        for part, hides in segments(text, lines=True)
    )


def suspects(text: str) -> Iterator[str | Markup]:
    """The parts of a text, with marks at paths that leave their folder and words of several scripts."""
    if len(text) > MARKED:
        yield text
        return
    words = [re.escape(word) for word in mixed_words(text)]
    pattern = re.compile("|".join([CLIMB.pattern, *words]))
    at = 0
    for match in pattern.finditer(text):
        yield text[at : match.start()]
        yield Markup("<mark>{}</mark>").format(match[0])
        at = match.end()
    yield text[at:]


def anchor(approval: str) -> str:
    """A name for an element that no id of an approval can break out of."""
    return "call-" + sha256(approval.encode()).hexdigest()[:16]
