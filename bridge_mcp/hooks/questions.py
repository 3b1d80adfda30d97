"""Claude Code's questions and plans, asked in the chat: `AskUserQuestion` and `ExitPlanMode`.

They are no calls with effects: what a person answers is their result. So they are questions with buttons, and not
approvals. But a plan is carried out once it is approved, so only somebody who may decide on calls can do that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import anyio
from msgspec import Struct

from bridge_mcp.core.choices import chosen
from bridge_mcp.core.entries import Finished, Heard, Posted, Revised, Started, Stopped
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.projections import BRIDGE
from bridge_mcp.core.safe_text import escape_markdown, visible
from bridge_mcp.hooks.after import ELSEWHERE, QUESTION
from bridge_mcp.hooks.events import Permission, fields_of, items_of
from bridge_mcp.hooks.filing import asks
from bridge_mcp.hooks.hosts import Host
from bridge_mcp.hooks.people import asker
from bridge_mcp.hooks.stored_requests import write_request
from bridge_mcp.hooks.waiting import NO_APPROVER, NO_ENGINE, TOO_LATE
from bridge_mcp.operations.addresses import parse_message
from bridge_mcp.operations.clocks import elapsed
from bridge_mcp.operations.external_calls import Begun, ExternalCalls, Request, lapse
from bridge_mcp.service import Bridge

if TYPE_CHECKING:
    from bridge_mcp.hooks.hosts import Answer

__all__ = ["Questions"]

PLAN = "ExitPlanMode"
YES, NO = "Approve the plan", "Keep planning"
LONGEST_WAIT_S = 20.0
MAX_QUESTIONS = 10
UNANSWERED = "It was not answered in the chat."
NOT_THEIRS = "Whoever answered may not approve plans."


class Questions(Struct, frozen=True):
    """What a host's model asks people, in one conversation."""

    bridge: Bridge
    calls: ExternalCalls
    host: Host
    call: Permission
    conversation: str
    """The one that is asked; empty where there is none."""
    engine_lives: Callable[[], bool]
    decides: Callable[[str, Heard], Awaitable[bool]]
    """Whether whoever wrote an answer may decide on calls."""

    async def answer(self, wait_s: float) -> Answer:
        """What the host is told; without an answer it asks by itself, or goes without."""
        if not self.conversation:
            return self.host.fallback(self.call, NO_APPROVER)
        if not self.engine_lives():
            return self.host.fallback(self.call, NO_ENGINE)
        deadline = elapsed() + wait_s
        begun = await begun_question(self.calls, self.host, self.call)
        answer: Answer = None
        goes_on = False
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._until_over, begun, tasks.cancel_scope)
            try:
                answer, goes_on = await (self._plan(deadline) if self.call.tool == PLAN else self._questions(deadline))
            except BridgeError as exc:
                answer = self.host.fallback(self.call, str(exc))
            tasks.cancel_scope.cancel()
        if goes_on:
            return answer  # the hook after it tells the rest
        recorded = await lapse(self.calls.store, begun.conversation, Finished(begun.call, "undelivered", UNANSWERED))
        return answer if recorded else self.host.fallback(self.call, ELSEWHERE)

    async def _until_over(self, begun: Begun, scope: anyio.CancelScope) -> None:
        """End the asking once the log says that somebody has answered elsewhere."""
        while not isinstance(await self.calls.cleared(begun.conversation, LONGEST_WAIT_S), Finished | Stopped):
            continue
        scope.cancel()

    async def _questions(self, deadline: float) -> tuple[Answer, bool]:
        """Ask one after the other."""
        asked = items_of(self.call.arguments.get("questions"))
        if not 0 < len(asked) <= MAX_QUESTIONS:
            return self.host.fallback(self.call, "It asks nothing that could be asked in a chat."), False
        answers: dict[str, str] = {}
        for asked_item in map(fields_of, asked):
            question, labels = str(asked_item.get("question", "")), labels_of(asked_item)
            several = bool(asked_item.get("multiSelect"))
            text = question_text(self._head("asks you"), asked_item)
            # A button answers at once, with one choice: several are written, and any text answers then.
            reply = await self._ask(text, () if several else labels, deadline)
            if reply is None:
                return self.host.fallback(self.call, TOO_LATE), False
            answer, _ = reply
            answers[question] = picked(labels, answer, several=several)
        return self.host.allow(self.call, {**self.call.arguments, "answers": answers}), True

    async def _plan(self, deadline: float) -> tuple[Answer, bool]:
        """Show the plan, and have it approved."""
        plan = visible(str(self.call.arguments.get("plan", "")), lines=True)
        reply = await self._ask(f"{self._head('has a plan')}\n\n{plan}\n\nShall it begin?", (YES, NO), deadline)
        if reply is None:
            return self.host.fallback(self.call, TOO_LATE), False
        answer, heard = reply
        if chosen((YES, NO), answer) != YES:
            notice = "" if chosen((NO,), answer) else f" They say: {answer}"
            return self.host.deny(self.call, f"The plan was not approved: keep planning.{notice}"), False
        if not await self.decides(self.conversation, heard):
            return self.host.fallback(self.call, NOT_THEIRS), False
        return self.host.allow(self.call, dict(self.call.arguments)), True

    def _head(self, subject: str) -> str:
        who, _, _ = asks(self.host, self.call).rpartition(" asks to run ")
        return f"❓ {escape_markdown(visible(who))} {subject}:"

    async def _ask(self, text: str, choices: tuple[str, ...], deadline: float) -> tuple[str, Heard] | None:
        """Ask in the chat: what was answered, and by whom; None where nobody did in time."""
        who = asker(self.host)
        remaining_s = max(1.0, deadline - elapsed())
        ticket = await self.bridge.ask_user(who, self.conversation, text, choices=choices, expires_s=remaining_s)
        _, seq = parse_message(ticket.id.partition(":")[2])
        try:
            while ticket.state != "done" and (remaining_s := deadline - elapsed()) > 0:
                ticket = await self.bridge.wait_for(who, ticket.id, timeout_s=min(remaining_s, LONGEST_WAIT_S))
        finally:
            if ticket.outcome != "answered":
                with anyio.CancelScope(shield=True):
                    await self._close(seq, text)
        if ticket.outcome != "answered":
            return None
        _, answered = parse_message(ticket.message)
        logged = await self.bridge.store.log.entry(self.conversation, answered)
        return (ticket.text, logged.entry) if logged and isinstance(logged.entry, Heard) else None

    async def _close(self, seq: int, text: str) -> None:
        """A question that nobody waits for any more loses its buttons, and says so."""
        asked = await self.bridge.store.log.entry(self.conversation, seq)
        if asked and isinstance(asked.entry, Posted):
            closing = f"{text}\n\n⌛ No answer is needed any more."
            await self.bridge.store.log.record(self.conversation, Revised(seq, closing, BRIDGE, key=f"lapsed:{seq}"))


async def begun_question(calls: ExternalCalls, host: Host, call: Permission) -> Begun:
    """Write down that people are asked, as a call that is under way; the hook after it tells when it is over."""

    async def begin(request: Request) -> Begun:
        asked = request.call
        intent = Started(
            "tool",
            call=asked.id,
            tool=asked.tool,
            arguments=asked.arguments,
            cleared_by=QUESTION,
            runner=calls.caller,
        )
        return await calls.begin(request, Begun(request.conversation, intent))

    return await write_request(host, call, calls.caller, begin)


def labels_of(question: Mapping[str, Any]) -> tuple[str, ...]:
    """The labels of a question's options, each once."""
    options = [fields_of(option) for option in items_of(question.get("options"))[:20]]
    labels = [str(option.get("label", "")).strip()[:200] for option in options]
    return tuple(dict.fromkeys(label for label in labels if label))


def question_text(head: str, question: Mapping[str, Any]) -> str:
    """A question as Markdown, with what each option means."""
    options = [fields_of(option) for option in items_of(question.get("options"))[:20]]
    lines = [head, escape_markdown(visible(str(question.get("question", "")), lines=True))]
    for option in options:
        description = visible(str(option.get("description", "")))
        label = escape_markdown(visible(str(option.get("label", ""))))
        lines.append(f"- **{label}**" + (f": {escape_markdown(description)}" if description else ""))
    if question.get("multiSelect"):
        lines.append("Several may be chosen: write them, with commas between.")
    return "\n\n".join([*lines[:2], "\n".join(lines[2:])]) if len(lines) > 2 else "\n\n".join(lines)


def picked(labels: tuple[str, ...], answer: str, *, several: bool) -> str:
    """The option that was chosen, in its own spelling; or what was written instead."""
    parts = [part for part in answer.split(",") if part.strip()] if several else [answer]
    return ", ".join(chosen(labels, part) or part.strip() for part in parts)
