"""Turns from the message to the reply: tools, approvals, failures, stops, restarts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from bridge_mcp.core.errors import AlreadyDecided, BadInput, Denied, ModelFailed, NotFound, ToolFailed, ToolUncertain
from bridge_mcp.core.policy import Budget
from bridge_mcp.core.tools import JSON, ToolResult
from bridge_mcp.testing import FakeModel, FakeToolbox, calls, says
from tests.integration.setup import HOST, OWNER, SUPERVISOR, names, rules_for, world

DELETE = ("files__delete", {"path": "a.txt"})


def files() -> FakeToolbox:
    """Two tools: one that reads, one that can change things."""
    toolbox = FakeToolbox()
    path: Mapping[str, JSON] = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}

    @toolbox.tool("files__list", read_only=True)
    async def _list(arguments: Mapping[str, JSON]) -> str:
        return "a.txt b.txt"

    @toolbox.tool("files__delete", schema=path)
    async def _delete(arguments: Mapping[str, JSON]) -> ToolResult:
        return ToolResult(f"deleted {arguments['path']}", structured='{"deleted":true}')

    return toolbox


@pytest.mark.shows("assistant.answered")
async def test_a_message_is_answered_and_the_answer_is_in_the_chat(tmp_path: Path) -> None:
    model = FakeModel([says("Hello, Ann.")])
    async with world(tmp_path, model) as it:
        assert await it.settled("hi") == "Hello, Ann."
        assert await it.texts() == ["hi", "Hello, Ann."]
        assert [m.role for m in model.requests[0].messages] == ["system", "user"]


@pytest.mark.shows("assistant.answered")
async def test_the_whole_turn_is_in_the_history_of_the_next_one(tmp_path: Path) -> None:
    plan = [calls(("files__list", {}), text="Looking."), says("Two files."), says("You asked for files.")]
    model = FakeModel(plan)
    async with world(tmp_path, model, files()) as it:
        await it.settled("which files?")
        await it.settled("what did I ask?")
    roles = [(m.role, m.text) for m in model.requests[-1].messages]
    assert roles == [
        ("system", "Be kind."),
        ("user", "which files?"),
        ("assistant", "Looking."),
        ("tool", "a.txt b.txt"),
        ("assistant", "Two files."),
        ("user", "what did I ask?"),
    ]


@pytest.mark.shows("approvals.once")
async def test_one_approval_lets_one_call_run(tmp_path: Path) -> None:
    """The origin ran every later call of a turn unasked once the first was approved."""
    model = FakeModel([calls(DELETE), calls(DELETE), says("Done.")])
    toolbox = files()
    async with world(tmp_path, model, toolbox) as it:
        message = await it.say("delete it twice")
        (first,) = await it.approvals()
        await it.bridge.approve_call(SUPERVISOR, first.id, digest=first.digest)
        (second,) = await it.approvals()
        assert second.id != first.id
        assert toolbox.count("files__delete") == 1
        await it.bridge.reject_call(SUPERVISOR, second.id, reason="once is enough")
        ticket = await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)
        assert ticket.text == "Done."
    assert toolbox.count("files__delete") == 1
    assert "once is enough" in model.requests[-1].messages[-1].text


@pytest.mark.shows("assistant.parallel")
async def test_calls_of_one_reply_run_at_the_same_time(tmp_path: Path) -> None:
    toolbox = FakeToolbox()
    both = [anyio.Event(), anyio.Event()]

    @toolbox.tool("pair__meet", read_only=True)
    async def _meet(arguments: Mapping[str, JSON]) -> str:
        mine = int(str(arguments["n"]))
        both[mine].set()
        with anyio.fail_after(5):
            await both[1 - mine].wait()
        return "met"

    model = FakeModel([calls(("pair__meet", {"n": 0}), ("pair__meet", {"n": 1})), says("They met.")])
    async with world(tmp_path, model, toolbox) as it:
        assert await it.settled("introduce them") == "They met."


pytestmark = pytest.mark.either_store


async def test_a_verdict_is_acted_on_while_a_sibling_is_still_running(tmp_path: Path) -> None:
    toolbox = files()
    hold = toolbox.hold("files__list")
    model = FakeModel([calls(("files__list", {}), DELETE), says("Done.")])
    async with world(tmp_path, model, toolbox) as it:
        message = await it.say("go")
        (waiting,) = await it.approvals()
        with anyio.fail_after(5):
            await hold.entered.wait()
        await it.bridge.approve_call(SUPERVISOR, waiting.id)
        await it.events("tool.finished")
        assert names(toolbox.calls).count("files__delete") == 1
        hold.release()
        assert (await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)).text == "Done."


@pytest.mark.shows("approvals.edited")
async def test_edited_arguments_run_and_are_logged_as_such(tmp_path: Path) -> None:
    toolbox = files()
    model = FakeModel([calls(DELETE), says("Done.")])
    async with world(tmp_path, model, toolbox) as it:
        message = await it.say("delete a.txt")
        (waiting,) = await it.approvals()
        with pytest.raises(BadInput, match=r"'path' must be of type string"):
            await it.bridge.approve_call(SUPERVISOR, waiting.id, arguments={"path": 7})
        await it.bridge.approve_call(SUPERVISOR, waiting.id, arguments={"path": "b.txt"}, note="not a.txt")
        await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)
    assert toolbox.calls == [("files__delete", {"path": "b.txt"})]


@pytest.mark.shows("tool-servers.pinned")
async def test_a_changed_tool_asks_until_one_call_of_it_was_approved(tmp_path: Path) -> None:
    look: tuple[str, dict[str, JSON]] = ("files__list", {})
    model = FakeModel([calls(look), says("One."), calls(look, look), calls(look), says("Two.")])
    toolbox = files()
    async with world(tmp_path, model, toolbox) as it:
        await it.settled("look")
        toolbox.change("files__list", "its description is another one")
        message = await it.say("look again")
        first, second = await it.approvals(2)
        assert first.reason.startswith("list is no longer what it was: its description is another one; the same call")
        assert toolbox.count("files__list") == 1
        await it.bridge.reject_call(SUPERVISOR, second.id, reason="no")
        assert toolbox.accepted == []
        await it.bridge.approve_call(SUPERVISOR, first.id, digest=first.digest)
        assert (await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)).text == "Two."
    assert toolbox.accepted == ["files__list"]
    assert toolbox.count("files__list") == 3


@pytest.mark.shows("approvals.first-wins")
async def test_the_first_verdict_wins_and_the_late_one_is_told_who_decided(tmp_path: Path) -> None:
    model = FakeModel([calls(DELETE), says("Done.")])
    async with world(tmp_path, model, files()) as it:
        await it.say("delete a.txt")
        (waiting,) = await it.approvals()
        await it.bridge.reject_call(SUPERVISOR, waiting.id, reason="no")
        with pytest.raises(AlreadyDecided, match=r"rejected by supervisor \(no\)"):
            await it.bridge.approve_call(OWNER, waiting.id)


@pytest.mark.shows("approvals.digest")
async def test_a_digest_that_does_not_match_decides_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, FakeModel([calls(DELETE), says("Done.")]), files()) as it:
        await it.say("delete a.txt")
        (waiting,) = await it.approvals()
        with pytest.raises(BadInput, match="digest does not match"):
            await it.bridge.approve_call(SUPERVISOR, waiting.id, digest="sha256:" + "0" * 64)
        assert len(await it.bridge.list_approvals(OWNER)) == 1


@pytest.mark.shows("approvals.expires")
async def test_an_approval_that_nobody_gives_expires_and_the_model_is_told(tmp_path: Path) -> None:
    model = FakeModel([calls(DELETE), says("Nobody allowed it."), says("Fine.")])
    async with world(tmp_path, model, files(), rules=rules_for(expires_s=0.2)) as it:
        assert await it.settled("delete a.txt") == "Nobody allowed it."
        assert "nobody approved it in time" in model.requests[1].messages[-1].text
        (old,) = await it.bridge.list_approvals(OWNER, status="expired")
        with pytest.raises(AlreadyDecided, match="expired"):
            await it.bridge.approve_call(SUPERVISOR, old.id)
        assert await it.settled("and now?") == "Fine."


@pytest.mark.shows("approvals.grants")
@pytest.mark.parametrize("remember", ["conversation", "always"])
async def test_a_remembered_verdict_lets_later_calls_run_until_it_is_revoked(tmp_path: Path, remember: str) -> None:
    model = FakeModel([calls(DELETE), says("1"), calls(DELETE), says("2"), calls(DELETE), says("3")])
    async with world(tmp_path, model, files()) as it:
        message = await it.say("delete a.txt")
        (waiting,) = await it.approvals()
        decision = await it.bridge.approve_call(SUPERVISOR, waiting.id, remember=remember)  # pyright: ignore[reportArgumentType]
        await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)
        assert await it.settled("again") == "2"
        (grant,) = await it.bridge.list_grants(OWNER)
        assert (grant.id, grant.tool, grant.by) == (decision.grant, "files__delete", "supervisor")
        assert grant.conversation == ("local/main" if remember == "conversation" else "")
        await it.bridge.revoke_grant(OWNER, grant.id)
        await it.say("and again")
        await it.approvals()


async def test_a_remembered_verdict_frees_what_waits_elsewhere_too(tmp_path: Path) -> None:
    model = FakeModel([calls(DELETE), calls(DELETE), says("Done."), says("Done.")])
    toolbox = files()
    async with world(tmp_path, model, toolbox) as it:
        first = await it.say("delete", "local/a")
        second = await it.say("delete", "local/b")
        waiting = await it.approvals(2)
        await it.bridge.approve_call(SUPERVISOR, waiting[0].id, remember="always")
        for message in (first, second):
            ticket = await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)
            assert ticket.outcome == "replied"
    assert toolbox.count("files__delete") == 2


async def test_failures_of_tools_come_back_to_the_model(tmp_path: Path) -> None:
    toolbox = files()
    toolbox.fail("files__list", ToolFailed("The server is down."))
    toolbox.fail("files__list", ToolUncertain("The connection broke."))
    listing: tuple[str, Mapping[str, JSON]] = ("files__list", {})
    model = FakeModel(
        [calls(listing), calls(listing), calls(("no__such", {})), calls(("files__delete", {})), says("I see.")]
    )
    async with world(tmp_path, model, toolbox) as it:
        assert await it.settled("list") == "I see."
    told = [request.messages[-1].text for request in model.requests[1:]]
    assert "server is down" in told[0]
    assert "check before you repeat" in told[1]
    assert "no tool 'no__such'" in told[2]
    assert "'path' is required" in told[3], "a call that breaks the schema is not put before a person"


@pytest.mark.shows("models.retry")
async def test_a_model_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    model = FakeModel([ModelFailed("busy", retry_after_s=0.05), says("Here I am.")])
    async with world(tmp_path, model) as it:
        assert await it.settled("hi") == "Here I am."


async def test_a_model_that_fails_for_good_is_reported_and_the_next_message_is_answered(tmp_path: Path) -> None:
    model = FakeModel(
        [ModelFailed("401: bad key", permanent=True, for_chat="The model's key is wrong."), says("Better.")]
    )
    async with world(tmp_path, model) as it:
        assert await it.settled("hi") == "The model's key is wrong."
        assert await it.settled("hi again") == "Better."


@pytest.mark.shows("assistant.bounded-turn")
async def test_a_turn_that_never_ends_is_stopped_with_a_text(tmp_path: Path) -> None:
    model = FakeModel(lambda request: calls(("files__list", {})))
    async with world(tmp_path, model, files(), rules=rules_for(budget=Budget(model_calls=3))) as it:
        answer = await it.settled("loop")
        assert answer
        assert len(model.requests) == 3


async def test_a_message_that_comes_in_while_the_model_works_is_answered_after(tmp_path: Path) -> None:
    working, go_on = anyio.Event(), anyio.Event()

    async def reply(request: object) -> object:
        working.set()
        await go_on.wait()
        return says(f"about {model.requests[-1].messages[-1].text}")

    model = FakeModel(reply)  # pyright: ignore[reportArgumentType]
    async with world(tmp_path, model) as it:
        await it.say("one")
        with anyio.fail_after(5):
            await working.wait()
        second = await it.say("two")
        go_on.set()
        await it.bridge.wait_for(OWNER, f"turn:{second}", timeout_s=10)
        assert (await it.texts())[2:] == ["about one", "about two"]
        roles = [m.role for m in model.requests[-1].messages]
        assert roles == ["system", "user", "assistant", "user"]


@pytest.mark.shows("assistant.parallel")
async def test_a_slow_turn_holds_up_no_other_chat(tmp_path: Path) -> None:
    async def reply(request: object) -> object:
        if model.requests[-1].conversation == "local/slow":
            await anyio.sleep_forever()
        return says("quick")

    model = FakeModel(reply)  # pyright: ignore[reportArgumentType]
    async with world(tmp_path, model) as it:
        await it.say("think hard", "local/slow")
        assert await it.settled("hi", "local/fast") == "quick"


@pytest.mark.shows("assistant.stop")
async def test_stop_cuts_off_the_model(tmp_path: Path) -> None:
    working, cut = anyio.Event(), anyio.Event()

    async def reply(request: object) -> object:
        if len(model.requests) > 1:
            return says("Yes?")
        working.set()
        try:
            await anyio.sleep_forever()
        finally:
            cut.set()

    model = FakeModel(reply)  # pyright: ignore[reportArgumentType]
    async with world(tmp_path, model) as it:
        message = await it.say("think for ever")
        with anyio.fail_after(5):
            await working.wait()
        assert await it.bridge.run_command(OWNER, "local/main", "/stop") == "Stopped."
        with anyio.fail_after(5):
            await cut.wait()
        assert (await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=5)).outcome == "stopped"
        assert await it.settled("still there?") == "Yes?"


@pytest.mark.shows("assistant.stop")
async def test_stop_cuts_off_running_tools_and_cancels_what_waits(tmp_path: Path) -> None:
    toolbox = files()
    hold = toolbox.hold("files__list")
    model = FakeModel([calls(("files__list", {}), DELETE), says("What happened?")])
    async with world(tmp_path, model, toolbox) as it:
        await it.say("go")
        (waiting,) = await it.approvals()
        with anyio.fail_after(5):
            await hold.entered.wait()
        await it.bridge.run_command(OWNER, "local/main", "/stop")
        await it.events("tool.finished")
        with pytest.raises(AlreadyDecided, match="cancelled by owner"):
            await it.bridge.approve_call(SUPERVISOR, waiting.id)
        assert await it.settled("hello?") == "What happened?"
        results = [m.text for m in model.requests[-1].messages if m.role == "tool"]
        assert "Cut off" in results[0]
        assert "stopped" in results[1]
    assert toolbox.count("files__delete") == 0


@pytest.mark.shows("assistant.clear")
async def test_clearing_forgets_the_history_but_not_the_system_prompt_nor_leaves_approvals(tmp_path: Path) -> None:
    model = FakeModel([calls(DELETE), says("Who are you?")])
    async with world(tmp_path, model, files()) as it:
        await it.say("delete a.txt")
        await it.approvals()
        await it.say("/clear")
        assert await it.bridge.list_approvals(OWNER) == ()
        assert await it.settled("hi") == "Who are you?"
        assert [(m.role, m.text) for m in model.requests[-1].messages] == [
            ("system", "Be kind."),
            ("user", "hi"),
        ]
        assert (await it.texts())[0] == "delete a.txt", "people can still read it"


async def test_words_that_look_like_commands_reach_the_model(tmp_path: Path) -> None:
    model = FakeModel(lambda request: says("ok"))
    async with world(tmp_path, model) as it:
        for text in ("approve vacation", "/unknown thing", "reject"):
            assert await it.settled(text) == "ok"


@pytest.mark.shows("chats.commands-hidden")
async def test_commands_and_their_answers_never_reach_the_model(tmp_path: Path) -> None:
    model = FakeModel([says("Hello.")])
    async with world(tmp_path, model) as it:
        await it.say("/whoami")
        await it.settled("hi")
    assert [m.text for m in model.requests[0].messages] == ["Be kind.", "hi"]


async def test_a_turn_that_waits_for_a_verdict_is_answered_at_once(tmp_path: Path) -> None:
    """Whoever started it may be the one who has to decide."""
    async with world(tmp_path, FakeModel([calls(DELETE)]), files()) as it:
        with anyio.fail_after(10):
            ticket = await it.bridge.run_turn(HOST, "local/main", "delete a.txt", wait_s=50)
        assert ticket.state == "open"
        assert ticket.approvals == tuple(approval.id for approval in await it.approvals())


# -- restarts -----------------------------------------------------------------------------------------------


@pytest.mark.shows("approvals.restart")
async def test_an_approval_survives_a_restart_and_resumes_its_turn(tmp_path: Path) -> None:
    toolbox = files()
    async with world(tmp_path, FakeModel([calls(DELETE)]), toolbox) as it:
        message = await it.say("delete a.txt")
        (waiting,) = await it.approvals()
    async with world(tmp_path, FakeModel([says("Deleted.")]), toolbox) as it:
        assert await it.bridge.list_approvals(OWNER) == (waiting,)
        await it.bridge.approve_call(SUPERVISOR, waiting.id, digest=waiting.digest)
        ticket = await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)
        assert ticket.text == "Deleted."
        assert await it.texts() == ["delete a.txt", "Deleted."]


@pytest.mark.shows("chats.down")
async def test_a_message_heard_while_no_engine_ran_is_answered_by_the_next(tmp_path: Path) -> None:
    async with world(tmp_path, engine=False) as it:
        message = await it.say("anybody there?")
    async with world(tmp_path, FakeModel([says("Now I am.")])) as it:
        assert (await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)).text == "Now I am."


@pytest.mark.shows("approvals.uncertain")
async def test_a_call_that_a_dead_engine_had_begun_is_not_run_again(tmp_path: Path) -> None:
    toolbox = files()
    hold = toolbox.hold("files__delete")
    async with world(tmp_path, FakeModel([calls(DELETE)]), toolbox) as it:
        message = await it.say("delete a.txt")
        (waiting,) = await it.approvals()
        await it.bridge.approve_call(SUPERVISOR, waiting.id)
        with anyio.fail_after(5):
            await hold.entered.wait()
    model = FakeModel([says("I cannot say whether it worked.")])
    async with world(tmp_path, model, toolbox) as it:
        await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)
    assert toolbox.count("files__delete") == 1
    assert "Outcome unknown" in model.requests[0].messages[-1].text


@pytest.mark.shows("approvals.uncertain")
async def test_a_read_only_call_that_a_dead_engine_had_begun_is_run_again(tmp_path: Path) -> None:
    toolbox = files()
    hold = toolbox.hold("files__list")
    async with world(tmp_path, FakeModel([calls(("files__list", {}))]), toolbox) as it:
        message = await it.say("list")
        with anyio.fail_after(5):
            await hold.entered.wait()
    hold.release()
    model = FakeModel([says("Two files.")])
    async with world(tmp_path, model, toolbox) as it:
        await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)
    assert toolbox.count("files__list") == 2
    assert model.requests[0].messages[-1].text == "a.txt b.txt"


# -- calls of clients ---------------------------------------------------------------------------------------


async def test_a_client_calls_a_free_tool_at_once(tmp_path: Path) -> None:
    async with world(tmp_path, toolbox=files()) as it:
        ticket = await it.bridge.call_tool(HOST, "files__list", {})
        assert (ticket.state, ticket.outcome, ticket.text) == ("done", "ok", "a.txt b.txt")
        assert (await it.bridge.list_conversations(OWNER)).conversations == ()


@pytest.mark.shows("approvals.own-call")
async def test_a_client_may_not_approve_its_own_call(tmp_path: Path) -> None:
    async with world(tmp_path, toolbox=files()) as it:
        ticket = await it.bridge.call_tool(HOST, "files__delete", {"path": "a.txt"}, wait_s=0)
        (waiting,) = await it.approvals()
        with pytest.raises(Denied, match="asked for this call"):
            await it.bridge.approve_call(HOST, waiting.id)
        await it.bridge.approve_call(SUPERVISOR, waiting.id)
        done = await it.bridge.wait_for(HOST, ticket.id, timeout_s=10)
        assert (done.outcome, done.structured) == ("ok", '{"deleted":true}')


@pytest.mark.shows("tools.idempotency")
async def test_the_same_key_is_the_same_call(tmp_path: Path) -> None:
    toolbox = files()
    async with world(tmp_path, toolbox=toolbox) as it:
        first = await it.bridge.call_tool(HOST, "files__list", {}, idempotency_key="k")
        assert await it.bridge.call_tool(HOST, "files__list", {}, idempotency_key="k") == first
        with pytest.raises(BadInput, match="used for another call"):
            await it.bridge.call_tool(HOST, "files__delete", {"path": "x"}, idempotency_key="k")
    assert toolbox.count("files__list") == 1


@pytest.mark.shows("tools.bad-input")
async def test_a_bad_call_of_a_client_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    async with world(tmp_path, toolbox=files()) as it:
        with pytest.raises(NotFound, match="no tool 'nope'"):
            await it.bridge.call_tool(HOST, "nope", {})
        with pytest.raises(BadInput, match="'path' is required"):
            await it.bridge.call_tool(HOST, "files__delete", {})
