"""Hooks of agents over a real engine and store: asked in the chat, answered in the host's words, told in the log."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from bridge_mcp.core.approval_settings import ApprovalSettings
from bridge_mcp.core.entries import Asked, Delivered, Finished, Judged, Posted, Revised, Sender, Started
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.external_calls import LOOK_S
from bridge_mcp.core.policy import ToolRule
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.safe_text import escape_markdown
from bridge_mcp.engine.engine import Engine
from bridge_mcp.hooks.after import ELSEWHERE, record_news
from bridge_mcp.hooks.events import Ended, Outcome, Permission
from bridge_mcp.hooks.filing import request
from bridge_mcp.hooks.hosts import host_named
from bridge_mcp.hooks.open_calls import any_open, open_calls
from bridge_mcp.hooks.people import People
from bridge_mcp.hooks.questions import Questions
from bridge_mcp.hooks.waiting import NO_APPROVER, NO_ENGINE, TOO_LATE, Waiting
from bridge_mcp.operations.external_calls import Begun, ExternalCalls
from bridge_mcp.ports import ChannelRules, Pairing, Rules
from bridge_mcp.service import Bridge
from bridge_mcp.stores.sqlite import SqliteStore, open_store
from bridge_mcp.testing import FakeCallers, FakeChannel, FakeModel, FakeToolbox, ManualClock
from tests.cases.hook_inputs import hook_event
from tests.integration.setup import SUPERVISOR

PLACE = "family/7"
ANN = Sender("7", "Ann")
RULES = Rules(channels={"family": ChannelRules("family")}, asking=ApprovalSettings(expires_s=600.0))
RULE = {
    "type": "addRules",
    "rules": [{"toolName": "Bash", "ruleContent": "npm run build:*"}],
    "behavior": "allow",
    "destination": "localSettings",
}


async def no_complaint(*_: object) -> str:
    return ""


@dataclass
class Desk:
    """An engine with one paired approver, and hooks that ask."""

    store: SqliteStore
    rules: Rules
    family: FakeChannel
    bridge: Bridge
    clock: ManualClock
    alive: set[str]
    answers: dict[str, tuple[Any, Begun | None]] = field(default_factory=dict[str, tuple[Any, Begun | None]])

    def call(self, host: str = "claude-code", name: str = "asks", **changes: Any) -> Permission:
        found = host_named(host).read(hook_event(host, name, **changes), {"CLAUDE_CODE_SESSION_ATTENDED": "1"})
        assert isinstance(found, Permission)
        return found

    def file(self, call: Permission, host: str = "claude-code", caller: str = "me") -> str:
        conversation = request(str(self.store.path), host_named(host), call, caller)
        assert conversation
        return conversation

    def waiting(self, call: Permission, conversation: str, host: str = "claude-code", caller: str = "me") -> Waiting:
        return Waiting(
            ExternalCalls(self.store, self.rules, self.clock, caller=caller),
            host_named(host),
            call,
            conversation=conversation,
            engine_lives=lambda: True,
            reaches=People(self.store, self.rules, {"family": self.family.traits}, clients=()).reaches,
        )

    async def approval(self, conversation: str) -> Approval:
        with anyio.fail_after(5), closing(self.store.agenda.watch()) as changes:
            while True:
                for each in await self.store.approvals.find(status="waiting", conversation=conversation):
                    return each
                await changes.wait()

    async def prompt(self, approval: Approval) -> Posted:
        """The message that asks."""
        with anyio.fail_after(5), closing(self.store.agenda.watch()) as changes:
            while (seq := await self.store.traces.posted(PLACE, f"prompt:{approval.id}")) is None:
                await changes.wait()
        logged = await self.store.log.entry(PLACE, seq)
        assert logged is not None
        assert isinstance(logged.entry, Posted)
        return logged.entry

    async def revised(self, words: str) -> str:
        """The text of a message that was changed, once it has these words."""
        with anyio.fail_after(5), closing(self.store.agenda.watch()) as changes:
            while True:
                for logged in await self.store.log.load(PLACE):
                    if isinstance(logged.entry, Revised) and words in logged.entry.text:
                        return logged.entry.text
                await changes.wait()

    async def over(self, conversation: str) -> Finished:
        """What became of a call, once something has."""
        with anyio.fail_after(5), closing(self.store.agenda.watch()) as changes:
            while True:
                for entry in await self.entries(conversation):
                    if isinstance(entry, Finished):
                        return entry
                await changes.wait()

    async def entries(self, conversation: str) -> list[Any]:
        return [logged.entry for logged in await self.store.log.load(conversation)]

    async def reply(self, label: str, text: str) -> None:
        """Ann answers the first message with this button in her own words, once it has arrived."""
        number, _ = await self.button(label)
        await self.sent(number)
        await self.family.receive(text, chat="7", sender=ANN, reply_to=str(number))

    async def sent(self, count: int) -> None:
        """Wait until so many messages have been delivered."""
        with closing(self.store.agenda.watch()) as changes:
            while sum(isinstance(each, Delivered) and each.of is None for each in await self.entries(PLACE)) < count:
                await changes.wait()

    async def press(self, label: str) -> None:
        """Ann presses a button of the first message that has it, once it is there."""
        number, token = await self.button(label)
        await self.family.press(str(number), token, chat="7", sender=ANN)

    async def button(self, label: str) -> tuple[int, str]:
        """The message with this button, and what the button carries."""

        def there() -> list[tuple[int, str]]:
            sent = enumerate(self.family.sent, start=1)
            return [(number, b.token) for number, message in sent for b in message.buttons if label in b.label]

        await self.family.until(lambda: bool(there()))
        return there()[0]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncGenerator[Desk]:
    clock, alive = ManualClock(1000.0), {"me"}
    store = await open_store(tmp_path / "bridge.db", clock=clock)
    await store.access.pair(Pairing("family", "7", "approver", "Ann"))
    family = FakeChannel("family", needs_pairing=True, prompts=True, clock=clock)
    engine = Engine(store, RULES, {"family": family}, FakeModel(), FakeToolbox(), clock, callers=FakeCallers(alive))
    bridge = Bridge(store, RULES, {"family": family.traits}, clock=clock, check=no_complaint)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(engine.run)
        yield Desk(store, RULES, family, bridge=bridge, clock=clock, alive=alive)
        tasks.cancel_scope.cancel()
    await store.close()


async def answered(desk: Desk, waiting: Waiting, *meanwhile: Awaitable[object], wait_s: float = 30.0) -> Any:
    """What the host is told, while something else happens in the chat."""
    found: list[Any] = []

    async def wait() -> None:
        answer, begun = await waiting.answer(wait_s)
        found.append(answer)
        desk.answers[waiting.conversation] = answer, begun

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            for each in meanwhile:
                await each
    return found[0]


def decision(answer: Any) -> Any:
    return answer["hookSpecificOutput"]["decision"]


async def test_a_prompt_names_the_agent_first_and_a_press_lets_the_call_run(desk: Desk) -> None:
    call = desk.call()
    where = desk.file(call)
    answer = await answered(desk, desk.waiting(call, where), desk.press("Approve"))
    assert decision(answer) == {"behavior": "allow"}
    prompt = desk.family.sent[0]
    assert prompt.text.startswith("🔐 Claude Code in /home/ann/project asks to run Bash:\n\n```json\n{")
    assert '"command": "npm run build && ls"' in prompt.text
    assert [button.label for button in prompt.buttons] == ["✅ Approve", "❌ Reject", "♾ Always, as below"]
    assert "`Bash(npm run build:*) (localSettings)`" in prompt.text
    assert "acceptEdits" not in prompt.text
    started = next(each for each in await desk.entries(where) if isinstance(each, Started))
    assert (started.runner, started.cleared_by) == ("me", "verdict")


@pytest.mark.shows("approvals.hook-own-rules")
async def test_always_gives_back_what_the_host_offered_and_makes_no_grant(desk: Desk) -> None:
    call = desk.call()
    where = desk.file(call)
    answer = await answered(desk, desk.waiting(call, where), desk.press("Always"))
    assert decision(answer) == {"behavior": "allow", "updatedPermissions": [RULE]}
    assert await desk.store.grants.active(desk.clock.now()) == ()
    again = desk.file(desk.call())
    assert again != where
    assert (await desk.approval(again)).status == "waiting"


async def test_a_no_is_told_with_its_reason(desk: Desk) -> None:
    call = desk.call()
    where = desk.file(call)

    async def reject() -> None:
        found = await desk.approval(where)
        await desk.bridge.reject_call(SUPERVISOR, found.id, reason="use yarn")

    answer = await answered(desk, desk.waiting(call, where), reject())
    assert decision(answer) == {"behavior": "deny", "message": "Rejected by supervisor: use yarn"}


async def test_whoever_decides_without_the_prompt_sees_the_folder_the_session_and_what_always_gives(desk: Desk) -> None:
    found = await desk.approval(desk.file(desk.call()))
    assert found.reason == (
        "Bash can change things; in /home/ann/project, session ecae3bf9; "
        "always adds to its own settings: Bash(npm run build:*) (localSettings)"
    )


async def test_changed_arguments_reach_the_host_where_it_takes_them(desk: Desk) -> None:
    call = desk.call()
    where = desk.file(call)

    async def edit() -> None:
        found = await desk.approval(where)
        await desk.bridge.approve_call(SUPERVISOR, found.id, arguments={"command": "ls"})

    answer = await answered(desk, desk.waiting(call, where), edit())
    assert decision(answer) == {"behavior": "allow", "updatedInput": {"command": "ls"}}


async def test_a_host_that_takes_no_changed_arguments_is_given_none(desk: Desk) -> None:
    where = desk.file(desk.call("codex"), "codex")
    found = await desk.approval(where)
    with pytest.raises(BadInput, match="only as it is"):
        await desk.bridge.approve_call(SUPERVISOR, found.id, arguments={"command": "ls"})
    with pytest.raises(BadInput, match="offered none"):
        await desk.bridge.approve_call(SUPERVISOR, found.id, remember="always")
    assert [button.label for button in (await desk.prompt(found)).buttons] == ["✅ Approve", "❌ Reject"]


async def test_only_what_was_offered_can_be_remembered(desk: Desk) -> None:
    found = await desk.approval(desk.file(desk.call()))
    for options in ({"remember": "conversation"}, {"remember": "always", "remember_s": 60.0}):
        with pytest.raises(BadInput, match=r"Bash\(npm run build"):
            await desk.bridge.approve_call(SUPERVISOR, found.id, **options)  # pyright: ignore[reportArgumentType]


async def test_no_setting_for_nested_tools_lets_a_hook_s_call_run(desk: Desk) -> None:
    loose = replace(
        RULES,
        asking=ApprovalSettings(confirmation="never"),
        tools=(ToolRule("*", {"confirmation": "never"}), ToolRule("*__Bash", {"confirmation": "never"})),
    )
    call = desk.call()
    calls = ExternalCalls(desk.store, loose, desk.clock, caller="me")
    where = desk.file(call)
    assert await calls.cleared(where, 0) is None
    named = replace(loose, tools=(ToolRule("hook:*", {"confirmation": "never"}),))
    assert isinstance(await ExternalCalls(desk.store, named, desk.clock, caller="me").cleared(where, 0), Begun)


async def test_what_became_of_a_call_is_told_by_the_hook_after_it(desk: Desk) -> None:
    call, host = desk.call(), host_named("claude-code")
    where = desk.file(call)
    await answered(desk, desk.waiting(call, where), desk.press("Approve"))
    news = host.read(hook_event("claude-code", "failed"), {})
    assert isinstance(news, Outcome)
    assert any_open(str(desk.store.path), host, news)
    assert await record_news(desk.store, open_calls(str(desk.store.path), host, call.session), news) == 1
    last = (await desk.entries(where))[-1]
    assert (last.outcome, last.content) == ("error", "Exit code 1\nnpm error")
    assert (last.tool, last.requested_by) == ("hook:claude-code__Bash", "hook:claude-code")
    assert not any_open(str(desk.store.path), host, news)


async def test_of_two_same_calls_the_newer_one_is_meant(desk: Desk) -> None:
    host, older = host_named("claude-code"), desk.file(desk.call())
    await answered(desk, desk.waiting(desk.call(), older), desk.press("Approve"))
    newer = desk.file(desk.call())
    await desk.approval(newer)
    news = host.read(hook_event("claude-code", "done"), {})
    assert isinstance(news, Outcome)
    await record_news(desk.store, open_calls(str(desk.store.path), host, news.session), news)
    assert [len([e for e in await desk.entries(each) if isinstance(e, Finished)]) for each in (older, newer)] == [0, 1]


@pytest.mark.shows("approvals.hook-outcome")
async def test_without_that_hook_nobody_knows_and_the_log_says_so(desk: Desk) -> None:
    call = desk.call()
    where = desk.file(call)
    await answered(desk, desk.waiting(call, where), desk.press("Approve"))
    desk.alive.clear()
    desk.clock.advance(25 * 3600)
    assert (await desk.over(where)).outcome == "unknown"


async def test_a_prompt_that_was_answered_at_the_terminal_first_lapses_visibly(desk: Desk) -> None:
    call, host = desk.call(), host_named("claude-code")
    where = desk.file(call)
    await desk.button("Approve")
    news = host.read(hook_event("claude-code", "done"), {})
    assert isinstance(news, Outcome)
    await record_news(desk.store, open_calls(str(desk.store.path), host, call.session), news)
    assert f"⏹ {escape_markdown(ELSEWHERE)}" in await desk.revised("⏹")
    assert [each.outcome for each in await desk.entries(where) if isinstance(each, Finished)] == ["ok"]
    assert decision_of(await answered(desk, desk.waiting(call, where))) is None


def decision_of(answer: Any) -> Any:
    return answer and answer["hookSpecificOutput"]["decision"]["behavior"]


async def test_the_prompts_of_a_session_lapse_with_it(desk: Desk) -> None:
    call, host = desk.call(), host_named("claude-code")
    where, other = desk.file(call), desk.file(desk.call(session_id="another"))
    await desk.approval(other)
    await desk.approval(where)
    news = host.read(hook_event("claude-code", "ended"), {})
    assert isinstance(news, Ended)
    assert await record_news(desk.store, open_calls(str(desk.store.path), host, call.session), news) == 1
    assert [e.verdict for e in await desk.entries(where) if isinstance(e, Judged)] == ["cancelled"]
    assert not [e for e in await desk.entries(other) if isinstance(e, Judged)]


@pytest.mark.shows("approvals.hook-lapses")
async def test_a_prompt_whose_hook_was_killed_lapses_and_a_late_verdict_was_not_delivered(desk: Desk) -> None:
    desk.alive.add("killed")
    waits, late = (desk.file(desk.call(session_id=name), caller="killed") for name in ("one", "two"))
    first, second = await desk.approval(waits), await desk.approval(late)
    await desk.bridge.approve_call(SUPERVISOR, second.id)
    desk.alive.discard("killed")
    desk.clock.advance(LOOK_S)  # and not the time in which a hook that lives may come
    assert "was gone" in await desk.revised("⏹")
    for where in (waits, late):
        assert (await desk.over(where)).outcome == "undelivered"
        told_by = (await desk.store.feed.read(0, 100, conversation=where)).events
        (digest,) = {str(event.body["digest"]) for event in told_by}
        assert digest.startswith("sha256:"), "each event of a call names its digest"
    assert not [e for e in await desk.entries(late) if isinstance(e, Started)]
    assert (await desk.store.approvals.get(first.id)).status == "cancelled"  # pyright: ignore[reportOptionalMemberAccess]


@pytest.mark.parametrize(
    ("failure", "why"), [("engine", NO_ENGINE), ("approver", NO_APPROVER), ("time", TOO_LATE), ("expiry", TOO_LATE)]
)
@pytest.mark.parametrize("mode", ["interactive", "headless"])
async def test_where_nobody_decides_the_host_falls_back_and_the_log_says_why(
    desk: Desk, failure: str, why: str, mode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = desk.call()
    call.mode = mode
    where = desk.file(call)
    waiting = desk.waiting(call, where)

    async def nobody(_: Asked) -> bool:
        return False

    async def expire() -> None:
        await desk.approval(where)
        desk.clock.advance(601)

    if failure == "engine":
        monkeypatch.setattr("bridge_mcp.hooks.waiting.ENGINE_S", 0.0)
        waiting = Waiting(
            waiting.calls, waiting.host, call, conversation=where, engine_lives=lambda: False, reaches=waiting.reaches
        )
    if failure == "approver":
        waiting = Waiting(
            waiting.calls, waiting.host, call, conversation=where, engine_lives=lambda: True, reaches=nobody
        )
    meanwhile = [expire()] if failure == "expiry" else []
    answer = await answered(desk, waiting, *meanwhile, wait_s=0.3 if failure == "time" else 20.0)
    assert (answer and decision(answer)) == (None if mode == "interactive" else {"behavior": "deny", "message": why})
    last = next(each for each in await desk.entries(where) if isinstance(each, Finished))
    assert last.outcome == ("expired" if failure == "expiry" else "undelivered")


def questions(desk: Desk, name: str) -> Questions:
    people = People(desk.store, desk.rules, {"family": desk.family.traits}, clients=())
    return Questions(
        desk.bridge,
        ExternalCalls(desk.store, desk.rules, desk.clock, caller="me"),
        host_named("claude-code"),
        call=desk.call(name=name),
        conversation=PLACE,
        engine_lives=lambda: True,
        decides=people.may_decide,
    )


async def test_questions_are_asked_one_by_one_with_buttons(desk: Desk) -> None:
    asking, found = questions(desk, "question"), list[Any]()

    async def ask() -> None:
        found.append(await asking.answer(3000))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await desk.press("Blue")
            await desk.sent(2)
            await desk.family.receive("small, huge", chat="7", sender=ANN)
    first, second = desk.family.sent[:2]
    assert first.text.startswith("❓ Claude Code in /home/ann/project asks you:\n\nWhich color?")
    assert "- **Red**: warm" in first.text
    assert "Several may be chosen" in second.text
    updated = decision(found[0])["updatedInput"]
    assert updated["answers"] == {"Which color?": "Blue", "Which sizes?": "Small, huge"}
    assert updated["questions"] == asking.call.arguments["questions"]


@pytest.mark.parametrize("role", ["approver", "user"])
async def test_a_plan_is_approved_by_who_may_decide(desk: Desk, role: Any) -> None:
    await desk.store.access.pair(Pairing("family", "7", role, "Ann"))
    asking, found = questions(desk, "plan"), list[Any]()

    async def ask() -> None:
        found.append(await asking.answer(3000))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await desk.press("Approve the plan")
    assert "## Refactor\n1. Extract the parser." in desk.family.sent[0].text
    if role == "approver":
        assert decision(found[0]) == {"behavior": "allow", "updatedInput": dict(asking.call.arguments)}
    else:
        assert found == [None]


async def test_other_words_keep_it_planning_and_reach_the_agent(desk: Desk) -> None:
    asking, found = questions(desk, "plan"), list[Any]()

    async def ask() -> None:
        found.append(await asking.answer(3000))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await desk.reply("Keep planning", "tests first, please")
    told_why = "The plan was not approved: keep planning. They say: tests first, please"
    assert decision(found[0]) == {"behavior": "deny", "message": told_why}


async def test_a_question_that_nobody_answers_lapses_visibly(desk: Desk) -> None:
    assert await questions(desk, "question").answer(0.3) is None
    assert "No answer is needed any more" in await desk.revised("⌛")


@pytest.mark.parametrize("name", ["question", "plan"])
@pytest.mark.parametrize("news", ["PostToolUse", "Stop"])
async def test_a_question_that_was_answered_at_the_terminal_first_lapses_visibly(
    desk: Desk, name: str, news: str
) -> None:
    asking, found, host = questions(desk, name), list[Any](), host_named("claude-code")

    async def ask() -> None:
        found.append(await asking.answer(3000))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await desk.button("Blue" if name == "question" else "Approve")
            event = host.read(hook_event("claude-code", name, hook_event_name=news, tool_response={}), {})
            assert isinstance(event, Outcome | Ended)
            where = open_calls(str(desk.store.path), host, asking.call.session)
            assert await record_news(desk.store, where, event) == 1
    assert found == [None]
    assert "No answer is needed any more" in await desk.revised("⌛")
