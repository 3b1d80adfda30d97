"""Asking a reviewer about a call, once; whatever goes wrong escalates to people."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
from msgspec.structs import replace

from bridge_mcp.core.approval_settings import Reviewer
from bridge_mcp.core.call_steps import LOST
from bridge_mcp.core.entries import Asked, Log, Reviewed
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.review import MAX_CALL, opinion_of, review_request
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.operations.clocks import elapsed
from bridge_mcp.operations.feed_positions import position_at
from bridge_mcp.ports import Clock, Model, ModelRequest, Store

__all__ = ["REVIEW_S", "ReviewRates", "escalate", "review"]

logger = logging.getLogger(__name__)

REVIEW_S = 30.0
"""How long a reviewer may take: people wait behind it."""

MINUTE_S = 60.0
MAX_EVENTS = 1_000
"""Reviews of one minute that are looked at: more than any rate."""


@dataclass(slots=True)
class ReviewRates:
    """How many calls each reviewer was asked about lately, whichever process was the engine then."""

    now: Callable[[], float] = elapsed
    _begun: dict[Reviewer, deque[float]] = field(default_factory=dict[Reviewer, "deque[float]"])
    _before: dict[str, list[float]] | None = None
    """By model: when it was asked by engines before this process, by its clock; None until that was read."""

    async def limit_reached(self, reviewer: Reviewer, store: Store, clock: Clock) -> str:
        """Why this reviewer cannot be asked now; "" if it can."""
        if self._before is None:
            now = clock.now()
            times = await reviews_since(store, now - MINUTE_S)
            self._before = {model: [self.now() - max(0.0, now - at) for at in ats] for model, ats in times.items()}
        begun = self._recent_reviews(reviewer)
        if len(begun) < reviewer.per_minute:
            return ""
        return f"it was asked {reviewer.per_minute} times within a minute"

    def count(self, reviewer: Reviewer) -> None:
        """It is about to be asked."""
        self._recent_reviews(reviewer).append(self.now())

    def take_back(self, reviewer: Reviewer) -> None:
        """It was not asked after all."""
        begun = self._recent_reviews(reviewer)
        if begun:
            begun.pop()

    def _recent_reviews(self, reviewer: Reviewer) -> deque[float]:
        key = replace(reviewer, may="advise")  # the same one, where a call lets it say less
        if key not in self._begun:
            self._begun[key] = deque((self._before or {}).get(reviewer.model, ()))
        begun = self._begun[key]
        while begun and begun[0] <= self.now() - MINUTE_S:
            begun.popleft()
        return begun


async def reviews_since(store: Store, moment: float) -> dict[str, list[float]]:
    """By model: when it was asked about calls since a moment, the oldest first, as the feed tells of their outcomes."""
    times: dict[str, list[float]] = {}
    page = await store.feed.read(await position_at(store.feed, moment), MAX_EVENTS, types=("approval.reviewed",))
    for event in page.events:
        if event.body["model"] or event.body["reason"] == LOST:  # else nobody was asked
            approval = await store.approvals.get(str(event.body["approval"]))
            if approval is not None:
                times.setdefault(approval.reviewer, []).append(event.at)
    return times


def escalate(call: str, digest: str, reason: str) -> Reviewed:
    """A review that leaves the call to people without a word of the reviewer's."""
    return Reviewed(call, "escalate", reason, digest=digest)


async def review(
    model: Model, conversation: str, policy: str, asked: Asked, spec: ToolSpec, log: Log, started: int
) -> Reviewed:
    """Ask the model that the rule names, and no other. `started` is the seq of the intent."""
    if not policy:
        return escalate(asked.call, asked.digest, "its policy is empty or cannot be read")
    if len(asked.arguments) > MAX_CALL:
        reason = f"the arguments are longer than the {MAX_CALL:,} characters that it is shown"
        return escalate(asked.call, asked.digest, reason)
    try:
        messages = review_request(policy, asked, spec, log)
        request = ModelRequest(asked.reviewer, messages, conversation=conversation, fallbacks=False)
        with anyio.fail_after(REVIEW_S):
            answer = await model.reply(request)
    except TimeoutError:
        return escalate(asked.call, asked.digest, f"it gave no answer within {REVIEW_S:g} s")
    except ModelFailed as exc:
        logger.warning("%s: the reviewer %s failed: %s", conversation, asked.reviewer, exc)
        return escalate(asked.call, asked.digest, f"its model failed ({exc.kind or 'see get_status'})")
    except Exception:
        logger.exception("%s: the review of %s failed unexpectedly", conversation, asked.tool)
        return escalate(asked.call, asked.digest, "it failed unexpectedly; see the log")
    opinion = opinion_of(answer.text if not answer.calls else "")
    if answer.finish:
        opinion = replace(opinion, says="escalate", reason=f"its answer is not whole ({answer.finish})")
    return Reviewed(
        asked.call,
        opinion.says,
        opinion.reason,
        model=answer.model,
        digest=asked.digest,
        usage=answer.usage,
        ref=started,
    )
