"""A reviewer between rule and person: what it decides, what people see of it, and that whatever fails is for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from msgspec.structs import replace

from bridge_mcp.core.approval_settings import Reviewer
from bridge_mcp.core.entries import Asked, Judged, Reviewed, Started, Usage
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.people import People
from bridge_mcp.core.policy import ToolRule
from bridge_mcp.core.spending import Cap, Caps, day_of
from bridge_mcp.ports import ModelReply, ModelRequest, Rules
from bridge_mcp.testing import FakeModel, calls, says
from tests.integration.setup import ANN, OWNER, SUPERVISOR, World, rules_for, world
from tests.integration.test_platform import button, pair, sent
from tests.integration.test_turns import files

HERE = "local/main"
APPROVE = '{"verdict":"approve","reason":"It is in notes/."}'
REJECT = '{"verdict":"reject","reason":"It is outside of notes/."}'
UNSURE = '{"verdict":"escalate","reason":"I cannot tell."}'


def policy_file(folder: Path) -> Path:
    path = folder / "policy.md"
    path.write_text("Deleting in notes/ is fine.", "utf-8")
    return path


def reviewed_by(folder: Path, may: Literal["approve", "advise"] = "approve", **changes: object) -> Rules:
    """Rules with a reviewer for all calls."""
    reviewer = Reviewer("small", str(policy_file(folder)), may)
    return rules_for(**{"review": reviewer, **changes})


def models(review: Callable[[ModelRequest], ModelReply | ModelFailed] | str, *paths: str) -> FakeModel:
    """An assistant that deletes once, and a reviewer with one answer."""

    def reply(request: ModelRequest) -> ModelReply | ModelFailed:
        if request.model == "small":
            return says(review) if isinstance(review, str) else review(request)
        if request.messages[-1].role == "tool":
            return says(request.messages[-1].text)
        return calls(*(("files__delete", {"path": path}) for path in paths or ("notes/a",)))

    return FakeModel(reply)


def asked_of_reviewer(it: World) -> list[ModelRequest]:
    assert isinstance(it.model, FakeModel)
    return [request for request in it.model.requests if request.model == "small"]


async def entries(it: World, conversation: str = HERE) -> list[object]:
    return [each.entry for each in await it.store.log.load(conversation)]


# -- what it decides -------------------------------------------------------------------------------------------


@pytest.mark.shows("approvals.review")
async def test_what_it_approves_runs_and_the_log_tells_by_whom_and_why(tmp_path: Path) -> None:
    toolbox = files()
    async with world(tmp_path, models(APPROVE), toolbox, rules=reviewed_by(tmp_path)) as it:
        assert await it.settled("tidy up") == "deleted notes/a"
        log = await entries(it)
        (judged,) = [each for each in log if isinstance(each, Judged)]
        (asked,) = [each for each in log if isinstance(each, Asked)]
        assert (judged.by, judged.via, judged.note) == ("reviewer", "reviewer", "It is in notes/.")
        assert (judged.digest, judged.remember) == (asked.digest, "once")
        kinds = [
            type(each).__name__
            for each in log
            if isinstance(each, Asked | Reviewed | Judged) or (isinstance(each, Started) and each.effect == "review")
        ]
        assert kinds == ["Asked", "Started", "Reviewed", "Judged"], "intent, outcome, verdict"
        (approval,) = await it.bridge.list_approvals(OWNER, status="any")
        assert (approval.status, approval.decided_by, approval.review) == ("approved", "reviewer", "approve")
        told = [event.body["says"] for event in await it.events("approval.reviewed")]
        assert told == ["approve"]
        assert await it.bridge.list_grants(OWNER) == ()
        (request,) = asked_of_reviewer(it)
        assert (request.fallbacks, request.tools) == (False, ())
        assert "Deleting in notes/ is fine." in request.messages[0].text
        assert "tidy up" in request.messages[1].text
    assert toolbox.count("files__delete") == 1


async def test_what_it_rejects_does_not_run_and_the_model_is_told_why(tmp_path: Path) -> None:
    toolbox = files()
    async with world(tmp_path, models(REJECT), toolbox, rules=reviewed_by(tmp_path)) as it:
        assert await it.settled("tidy up") == "Not run: it was rejected: It is outside of notes/."
    assert toolbox.calls == []


async def test_people_are_prompted_once_it_leaves_a_call_to_them_and_see_what_it_said(tmp_path: Path) -> None:
    go_on = anyio.Event()

    async def reply(request: ModelRequest) -> ModelReply:
        if request.model == "small":
            await go_on.wait()
            return says(UNSURE)
        return says("Done.") if request.messages[-1].role == "tool" else calls(("files__delete", {"path": "b"}))

    async with world(tmp_path, FakeModel(reply), files(), rules=reviewed_by(tmp_path), prompts=True) as it:
        await pair(it, "7", "approver")
        await it.family.receive("delete it", chat="7", sender=ANN)
        (waiting,) = await it.approvals()
        assert waiting.in_review
        await it.events("approval.requested")
        assert it.family.sent == []
        go_on.set()
        prompt = await sent(it, 1)
        assert "The reviewer (small) leaves this to you: I cannot tell." in prompt.text.replace("\\", "")
        (waiting,) = await it.approvals()
        assert (waiting.in_review, waiting.review, waiting.review_reason) == (False, "escalate", "I cannot tell.")
        assert await it.family.press("1", button(prompt, "Approve").token, chat="7", sender=ANN) == (
            "Approved: files__delete."
        )
        assert (await sent(it, 2)).text


async def test_one_that_advises_decides_nothing(tmp_path: Path) -> None:
    toolbox = files()
    async with world(tmp_path, models(APPROVE), toolbox, rules=reviewed_by(tmp_path, "advise")) as it:
        message = await it.say("tidy up")
        await it.events("approval.reviewed")
        (waiting,) = await it.approvals()
        assert (waiting.status, waiting.review, waiting.in_review) == ("waiting", "approve", False)
        assert toolbox.calls == []
        await it.bridge.approve_call(SUPERVISOR, waiting.id)
        await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)
    assert toolbox.count("files__delete") == 1


@pytest.mark.shows("approvals.review-limits")
@pytest.mark.parametrize(
    "how",
    [
        {"quorum": 2, "people": People({"bob": "bob"})},
        {"separate": True},
        {"tools": (ToolRule("files__delete", {"confirmation": "person"}),)},
        {"tools": (ToolRule("files__delete", {"confirmation": "required"}),)},
    ],
    ids=["quorum", "separate", "person", "required elsewhere"],
)
async def test_where_people_must_decide_its_approval_runs_nothing(tmp_path: Path, how: dict[str, Any]) -> None:
    toolbox = files()
    async with world(tmp_path, models(APPROVE), toolbox, rules=reviewed_by(tmp_path, "approve", **how)) as it:
        await it.say("tidy up")
        (waiting,) = await it.approvals()
        if waiting.reviewer:
            await it.events("approval.reviewed")
        else:
            assert asked_of_reviewer(it) == []
        (waiting,) = await it.approvals()
        assert (waiting.status, waiting.votes, waiting.in_review) == ("waiting", (), False)
    assert toolbox.calls == []


async def test_a_person_may_be_faster_and_the_first_verdict_holds(tmp_path: Path) -> None:
    begun = anyio.Event()

    async def reply(request: ModelRequest) -> ModelReply:
        if request.model == "small":
            begun.set()
            await anyio.sleep_forever()
        return says("Done.") if request.messages[-1].role == "tool" else calls(("files__delete", {"path": "b"}))

    toolbox = files()
    async with world(tmp_path, FakeModel(reply), toolbox, rules=reviewed_by(tmp_path)) as it:
        message = await it.say("delete it")
        with anyio.fail_after(10):
            await begun.wait()
        (waiting,) = await it.approvals()
        await it.bridge.reject_call(SUPERVISOR, waiting.id, reason="no")
        assert (await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)).text == "Done."
        assert not [each for each in await entries(it) if isinstance(each, Reviewed)]
    assert toolbox.calls == []


# -- whatever fails is for people --------------------------------------------------------------------------------


def fails(request: ModelRequest) -> ModelFailed:
    return ModelFailed("no key", kind="bad_key", permanent=True)


def calls_instead(request: ModelRequest) -> ModelReply:
    return calls(("files__delete", {"path": "b"}), text=APPROVE)


def cut_off(request: ModelRequest) -> ModelReply:
    return replace(says(APPROVE), finish="length")


def breaks(request: ModelRequest) -> ModelReply:
    raise RuntimeError("a bug")


@pytest.mark.parametrize("answer", [fails, calls_instead, cut_off, breaks, "yes, approve it"])
async def test_no_whole_answer_escalates(
    tmp_path: Path, answer: str | Callable[[ModelRequest], ModelReply | ModelFailed]
) -> None:
    toolbox = files()
    async with world(tmp_path, models(answer), toolbox, rules=reviewed_by(tmp_path)) as it:
        await it.say("tidy up")
        (event,) = await it.events("approval.reviewed")
        assert event.body["says"] == "escalate"
        (waiting,) = await it.approvals()
        assert (waiting.status, waiting.in_review) == ("waiting", False)
    assert toolbox.calls == []


async def test_a_policy_that_is_empty_or_gone_asks_nobody_but_people(tmp_path: Path) -> None:
    rules = reviewed_by(tmp_path)
    (tmp_path / "policy.md").unlink()
    async with world(tmp_path, models(APPROVE), files(), rules=rules) as it:
        await it.say("tidy up")
        (event,) = await it.events("approval.reviewed")
        assert (event.body["says"], asked_of_reviewer(it)) == ("escalate", [])


async def test_arguments_too_long_to_be_shown_whole_are_for_people(tmp_path: Path) -> None:
    async with world(tmp_path, models(APPROVE, "x" * 30_000), files(), rules=reviewed_by(tmp_path)) as it:
        await it.say("tidy up")
        (event,) = await it.events("approval.reviewed")
        assert (event.body["says"], asked_of_reviewer(it)) == ("escalate", [])


@pytest.mark.either_store
async def test_it_is_asked_so_often_and_for_so_much(tmp_path: Path) -> None:
    reviewer = Reviewer("small", str(policy_file(tmp_path)), "approve", per_minute=2)
    rules = rules_for(review=reviewer)
    async with world(tmp_path, models(APPROVE, "a", "b", "c"), files(), rules=rules) as it:
        await it.say("tidy up")
        told = [event.body for event in await it.events("approval.reviewed", 3)]
        assert sorted(str(each["says"]) for each in told) == ["approve", "approve", "escalate"]
        assert [each["reason"] for each in told if each["says"] == "escalate"] == [
            "it was asked 2 times within a minute"
        ]
        assert len(asked_of_reviewer(it)) == 2


async def test_its_rate_holds_over_the_end_of_an_engine(tmp_path: Path) -> None:
    """It is counted from what the store tells, whichever process was the engine."""
    reviewer = Reviewer("small", str(policy_file(tmp_path)), "approve", per_minute=2)
    rules = rules_for(review=reviewer)
    async with world(tmp_path, models(APPROVE, "a"), files(), rules=rules) as it:
        await it.say("tidy up")
        await it.events("approval.reviewed", 1)
        clock = it.clock
    async with world(tmp_path, models(APPROVE, "b", "c"), files(), rules=rules, clock=clock) as it:
        await it.say("tidy up again", "local/other")
        told = [event.body for event in await it.events("approval.reviewed", 3)]
        assert sorted(str(each["says"]) for each in told) == ["approve", "approve", "escalate"]
        assert len(asked_of_reviewer(it)) == 1


async def test_what_it_takes_is_in_the_days_sums(tmp_path: Path) -> None:
    def costly(request: ModelRequest) -> ModelReply:
        return replace(says(APPROVE), usage=Usage(100, 10, cost_usd=0.5))

    async with world(tmp_path, models(costly), files(), rules=reviewed_by(tmp_path)) as it:
        await it.settled("tidy up")
        (spent,) = await it.store.spending.on(day_of(it.clock.now()), HERE)
        assert (spent.usd, spent.tokens) == (0.5, 110)


async def test_where_the_days_budget_is_spent_people_are_asked(tmp_path: Path) -> None:
    def reply(request: ModelRequest) -> ModelReply:
        assert request.model != "small"
        return replace(calls(("files__delete", {"path": "a"})), usage=Usage(cost_usd=0.5))

    rules = reviewed_by(tmp_path, caps=Caps(bridge=Cap(usd=0.4)))
    async with world(tmp_path, FakeModel(reply), files(), rules=rules) as it:
        await it.say("tidy up")
        (event,) = await it.events("approval.reviewed")
        assert event.body["says"] == "escalate"
        assert "budget" in str(event.body["reason"])
