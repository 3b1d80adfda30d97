"""What the hooks after a call tell: what became of it, and that its prompt was answered elsewhere."""

from __future__ import annotations

import json

from bridge_mcp.core.entries import Asked, Finished, Judged, Log, Requested, Started
from bridge_mcp.core.tools import JSON
from bridge_mcp.hooks.events import Ended, Outcome
from bridge_mcp.operations.external_calls import ONLY_CALL, lapse, outcome_entry
from bridge_mcp.ports import Store

__all__ = ["ELSEWHERE", "QUESTION", "record_news"]

ELSEWHERE = "Answered at the agent's own prompt first: no verdict is needed any more."
QUESTION = "asked people"
"""What lets a question run: it is nothing but a question."""
DONE = "Done."
MAX_ERROR = 2_000
"""Characters of an error that the log keeps."""


async def record_news(store: Store, conversations: tuple[str, ...], news: Outcome | Ended) -> int:
    """Write what a hook tells into the logs that it concerns; how many those were."""
    logs = [(name, await store.log.load(name)) for name in conversations]
    open_logs = [(name, log) for name, log in logs if log and outcome_entry(log) is None]
    if isinstance(news, Ended):
        return sum([await over(store, name, log, news.reason) for name, log in open_logs])
    # The same call may stand there twice, the older one without its end: an agent asks again for what is over.
    concerned = sorted([pair for pair in open_logs if is_of(pair[1], news)], key=lambda pair: pair[1][0].at)
    return await done(store, *concerned[-1], news) if concerned else 0


def is_of(log: Log, news: Outcome) -> bool:
    """Whether news are of the call of this log: the same tool, with the arguments that it runs with."""
    asked = log[0].entry
    if not isinstance(asked, Requested) or asked.external is None or asked.external.tool != news.tool:
        return False
    begun = [logged.entry.arguments for logged in log if isinstance(logged.entry, Started)]
    arguments_run: dict[str, JSON] = json.loads(begun[-1] if begun else asked.calls[0].arguments)
    # A host may tell more arguments than it asked about, and never fewer.
    return all(name in news.arguments and news.arguments[name] == value for name, value in arguments_run.items())


async def done(store: Store, conversation: str, log: Log, news: Outcome) -> int:
    """A call is over. Where its verdict was still waited for, somebody answered the host's own prompt."""
    kinds = {type(logged.entry) for logged in log}
    waited, begun = Asked in kinds and Judged not in kinds, Started in kinds
    if news.refused:
        outcome = Finished(ONLY_CALL, "denied", news.error[:MAX_ERROR])
    elif waited or not begun:
        outcome = Finished(ONLY_CALL, "error" if news.error else "ok", ELSEWHERE)
    else:
        outcome = Finished(ONLY_CALL, "error" if news.error else "ok", news.error[:MAX_ERROR] or DONE)
    return int(await lapse(store, conversation, outcome))


async def over(store: Store, conversation: str, log: Log, reason: str) -> int:
    """A session is over, or goes on: what still waits for a verdict does so for nobody. What was begun stays open."""
    if any(isinstance(logged.entry, Started) and logged.entry.cleared_by != QUESTION for logged in log):
        return 0
    notice = f"No verdict is needed any more: it was {reason}."
    return int(await lapse(store, conversation, Finished(ONLY_CALL, "undelivered", notice)))
