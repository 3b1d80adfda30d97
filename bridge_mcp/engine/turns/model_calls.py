"""One attempt at a model's reply or at a summary, with any outcome as an entry."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from bridge_mcp.core.address import Address
from bridge_mcp.core.arguments import repaired_arguments
from bridge_mcp.core.backoff import pause_s
from bridge_mcp.core.chat_texts import FOR_THE_OWNER
from bridge_mcp.core.entries import Call, Failed, Replied, Summarised, call_id
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.json_reader import whole_characters
from bridge_mcp.core.safe_text import escape_markdown
from bridge_mcp.core.steps import CallModel, Summarise
from bridge_mcp.core.summary import summary_text
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.engine.turns.deps import Deps
from bridge_mcp.engine.turns.model_requests import Prepared
from bridge_mcp.ports import ModelReply, ModelRequest, OnText

__all__ = ["reply", "summary"]

logger = logging.getLogger(__name__)

TOO_LONG = "too_long"
"""The kind of a `ModelFailed` that a shorter request can mend."""
LONGEST_PAUSE_S = 60.0
"""Between two attempts, where the provider names no time."""
SHORT = 1_000
"""Characters of a question that is not made shorter."""


async def reply(deps: Deps, step: CallModel, prepared: Prepared, started: int) -> Replied | Failed:
    """Ask the model for its reply. `started` is the seq of the intent."""
    request = prepared.request
    on_text = text_shown(deps, request.conversation, started)
    try:
        if deps.fetch is not None:
            request = replace(request, fetch=partial(deps.fetch, request.conversation))
        answer = await deps.model.reply(request, on_text)
    except ModelFailed as exc:
        too_long = exc.kind == TOO_LONG
        again = None if too_long and not can_be_shorter(request) else retry_at(deps, step.attempt, exc)
        notice = await for_reader(deps, request.conversation, exc)
        return Failed("model", started, str(exc), retry_at=again, text=notice, too_long=too_long)
    except Exception as exc:
        logger.exception("%s: the model call failed unexpectedly", request.conversation)
        return Failed("model", started, unexpected_text(exc), retry_at=retry_at(deps, step.attempt, ModelFailed("")))
    finally:
        if on_text is not None:
            on_text("")
    return reply_entry(answer, started, step, request.tools)


async def for_reader(deps: Deps, conversation: str, exc: ModelFailed) -> str:
    """The text of a failure for a chat: for people who can mend it, with the fix; for others, that the owner has to.

    The user of this machine can, and an approver alone with the bot is trusted to see it.
    """
    if FOR_THE_OWNER not in exc.for_chat:
        return exc.for_chat
    channel, subject, _ = Address.of(conversation)
    fix = exc.fix or str(exc)
    traits = deps.traits.get(channel)
    if traits is not None and not traits.needs_pairing:
        return exc.for_chat.replace(FOR_THE_OWNER, fix)
    pairings = await deps.store.access.find(channel, subject)
    # An approver is a person: the ids of groups begin with a minus.
    if subject.startswith("-") or not any(pairing.role == "approver" for pairing in pairings):
        return exc.for_chat
    return exc.for_chat.replace(FOR_THE_OWNER, escape_markdown(fix))


async def summary(deps: Deps, step: Summarise, prepared: Prepared, started: int) -> Summarised | Failed:
    """Ask the model for a summary. However that fails, the turn goes on: the past is cut without one."""
    try:
        answer = await deps.model.reply(prepared.request)
    except ModelFailed as exc:
        return Failed("summary", started, str(exc), too_long=exc.kind == TOO_LONG)
    except Exception as exc:
        logger.exception("%s: the summary failed unexpectedly", prepared.request.conversation)
        return Failed("summary", started, unexpected_text(exc))
    text = summary_text(answer.text, prepared.budget)
    if not text:
        return Failed("summary", started, "The model answered no summary.")
    return Summarised(text, step.upto, started, model=answer.model, usage=answer.usage)


def text_shown(deps: Deps, conversation: str, started: int) -> OnText | None:
    """The listener for the growing text of a reply; None if nobody could see it."""
    if deps.show_text is None or not deps.shows(conversation):
        return None
    return partial(deps.show_text, conversation, started)


def retry_at(deps: Deps, attempt: int, failure: ModelFailed) -> float | None:
    """When to try again; None: it would not help."""
    now = deps.clock.now()
    if failure.kind == TOO_LONG:
        return now  # a shorter request may do, and the next one is shorter
    if failure.permanent:
        return None
    wait_s = pause_s(attempt - 1, 1.0, LONGEST_PAUSE_S) if failure.retry_after_s is None else failure.retry_after_s
    return now + wait_s


def can_be_shorter(request: ModelRequest) -> bool:
    """Whether a request of the same turn could hold less; the system prompt and a short question cannot go."""
    messages = [message for message in request.messages if message.role != "system"]
    return len(messages) > 1 or any(message.attachments or len(message.text) > SHORT for message in messages)


def unexpected_text(exc: Exception) -> str:
    """What the log says of an exception that no adapter should raise."""
    return f"Unexpected: {type(exc).__name__}; see the log."


def reply_entry(answer: ModelReply, started: int, step: CallModel, tools: Sequence[ToolSpec]) -> Replied:
    """A model's reply as an entry: its calls get ids that are unique in the conversation.

    Numbers that it wrote as texts are mended here, before anybody is asked: what is shown is what runs.
    """
    called = {call.tool for call in answer.calls}
    schemas = {spec.name: spec.schema for spec in tools if spec.name in called} if called else {}
    upto_and_ref = (started, -1) if step.upto is None else (step.upto, started)
    calls = tuple(
        Call(
            call_id(started, index),
            whole_characters(call.tool),
            repaired_arguments(whole_characters(call.arguments), schemas.get(call.tool, "")),
            model_id=whole_characters(call.id),
            kept=call.kept,
        )
        for index, call in enumerate(answer.calls)
    )
    return Replied(
        whole_characters(answer.text),
        calls,
        upto_and_ref[0],
        turn=step.turn,
        model=whole_characters(answer.model),
        usage=answer.usage,
        ref=upto_and_ref[1],
        finish=answer.finish,
        kept=answer.kept,
        kept_for=answer.kept_for,
    )
