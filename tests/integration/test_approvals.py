"""Approvals as teams need them: by rule and pattern, by several, in batches, with reminders; one gate for everybody."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from bridge_mcp.core.entries import Asked, Judged, Posted, Reminded, Revised, Scheduled, Sender, Voted
from bridge_mcp.core.errors import AlreadyDecided, BadInput, Denied, NotFound
from bridge_mcp.core.people import People
from bridge_mcp.core.policy import Principal, Scope, ToolRule
from bridge_mcp.ports import ChannelRules, ModelReply, Pairing
from bridge_mcp.service import ApprovalOptions
from bridge_mcp.testing import FakeModel, calls, says
from tests.integration.setup import ANN, HOST, OWNER, SUPERVISOR, World, rules_for, world
from tests.integration.test_turns import files

pytestmark = pytest.mark.either_store

APPROVE: frozenset[Scope] = frozenset({"read", "approve"})
BOB = Principal("bob", "client", APPROVE, via="mcp")
CAROL = Principal("carol", "client", APPROVE, via="cli")
NAMED = People({name: name for name in ("bob", "carol", "supervisor")})
HERE = "local/main"


def deletes(*paths: str) -> ModelReply:
    return calls(*(("files__delete", {"path": path}) for path in paths))


async def done(it: World, message: str) -> str:
    ticket = await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)
    assert ticket.state == "done", ticket
    return ticket.text


# -- several approvers ---------------------------------------------------------------------------------------


@pytest.mark.shows("approvals.quorum")
async def test_a_call_that_takes_two_runs_when_two_different_ones_said_yes(tmp_path: Path) -> None:
    toolbox = files()
    model = FakeModel([deletes("a.txt"), says("Done.")])
    async with world(
        tmp_path, model, toolbox, rules=rules_for(tools=(ToolRule("files__delete", {"quorum": 2}),), people=NAMED)
    ) as it:
        message = await it.say("delete it")
        (waiting,) = await it.approvals()
        assert (waiting.quorum, waiting.votes) == (2, ())
        first = await it.bridge.approve_call(BOB, waiting.id, digest=waiting.digest, note="fine")
        assert (first.approval.status, first.approval.votes) == ("waiting", ("bob",))
        again = await it.bridge.approve_call(BOB, waiting.id)
        assert again.approval.votes == ("bob",), "nobody counts twice"
        assert toolbox.calls == []
        second = await it.bridge.approve_call(CAROL, waiting.id)
        assert (second.approval.status, second.approval.decided_by) == ("approved", "bob, carol")
        assert await done(it, message) == "Done."
        log = [e.entry for e in await it.store.log.load(HERE)]
        assert [(e.by, e.via) for e in log if isinstance(e, Voted)] == [("bob", "mcp"), ("carol", "cli")]
        assert sum(isinstance(e, Judged) for e in log) == 1
    assert toolbox.count("files__delete") == 1


async def test_votes_at_the_same_moment_are_all_counted_and_one_rejection_is_enough(tmp_path: Path) -> None:
    model = FakeModel([deletes("a.txt", "b.txt"), says("Done.")])
    async with world(tmp_path, model, files(), rules=rules_for(quorum=3, people=NAMED)) as it:
        message = await it.say("delete them")
        one, two = await it.approvals(2)
        async with anyio.create_task_group() as tasks:
            for who in (BOB, CAROL, SUPERVISOR):
                tasks.start_soon(it.bridge.approve_call, who, one.id)
        await it.bridge.approve_call(BOB, two.id)
        await it.bridge.reject_call(CAROL, two.id, reason="not that one")
        with pytest.raises(AlreadyDecided, match="rejected by carol"):
            await it.bridge.approve_call(SUPERVISOR, two.id)
        await done(it, message)
        assert set((await it.store.approvals.get(one.id) or one).decided_by.split(", ")) == {
            "bob",
            "carol",
            "supervisor",
        }
        log = [e.entry for e in await it.store.log.load(HERE)]
        assert sum(isinstance(e, Voted) for e in log) == 4
        assert sum(isinstance(e, Judged) for e in log) == 2


@pytest.mark.parametrize("yes", [ApprovalOptions(remember="always"), ApprovalOptions(arguments={"path": "b.txt"})])
async def test_what_takes_several_is_decided_as_it_is_and_once(tmp_path: Path, yes: ApprovalOptions) -> None:
    async with world(tmp_path, FakeModel([deletes("a.txt")]), files(), rules=rules_for(quorum=2, people=NAMED)) as it:
        await it.say("delete it")
        (waiting,) = await it.approvals()
        with pytest.raises(BadInput, match="takes 2 approvers"):
            await it.bridge.approve_calls(BOB, [waiting.id], yes)
        assert (await it.approvals())[0].votes == ()


# -- batches -------------------------------------------------------------------------------------------------


@pytest.mark.shows("approvals.several")
async def test_calls_of_one_reply_are_decided_together_or_one_by_one(tmp_path: Path) -> None:
    toolbox = files()
    model = FakeModel([deletes("a", "b", "c", "d"), says("Done.")])
    async with world(tmp_path, model, toolbox) as it:
        message = await it.say("delete them")
        a, b, c, d = await it.approvals(4)
        assert len({each.batch for each in (a, b, c, d)}) == 1
        await it.bridge.reject_call(BOB, d.id)
        with pytest.raises(AlreadyDecided):
            await it.bridge.approve_calls(BOB, [a.id, d.id], ApprovalOptions())
        assert len(await it.approvals()) == 3, "all or none"
        made = await it.bridge.approve_calls(BOB, [a.id, b.id, a.id], ApprovalOptions())
        assert [each.approval.status for each in made] == ["approved", "approved"]
        await it.bridge.reject_calls(CAROL, [c.id], reason="keep it")
        await done(it, message)
        told = [m.text for m in model.requests[1].messages if m.role == "tool"]
    assert sorted(str(given["path"]) for _, given in toolbox.calls) == ["a", "b"]
    assert "keep it" in told[2]


async def test_a_batch_names_calls_by_id_and_binds_each_to_its_own_digest(tmp_path: Path) -> None:
    async with world(tmp_path, FakeModel([deletes("a", "b")]), files()) as it:
        await it.say("delete them")
        a, b = await it.approvals(2)
        with pytest.raises(BadInput, match="belong to one call"):
            await it.bridge.approve_calls(BOB, [a.id, b.id], ApprovalOptions(digest=a.digest))
        with pytest.raises(BadInput, match="asks for another call than the one you looked at"):
            await it.bridge.approve_calls(BOB, [a.id, b.id], ApprovalOptions(digests={a.id: a.digest, b.id: "old"}))
        with pytest.raises(BadInput, match="cannot be decided at once"):
            await it.bridge.approve_calls(BOB, [], ApprovalOptions())
        with pytest.raises(NotFound):
            await it.bridge.approve_calls(BOB, [a.id, "ap_0000000000000000"], ApprovalOptions())
        assert len(await it.approvals()) == 2


# -- grants --------------------------------------------------------------------------------------------------


@pytest.mark.shows("approvals.grant-patterns")
async def test_a_grant_by_pattern_covers_later_calls_inside_it_and_no_others(tmp_path: Path) -> None:
    toolbox = files()
    model = FakeModel([deletes("safe/a"), says("One."), deletes("safe/b", "safe/../c", "d"), says("Two.")])
    async with world(tmp_path, model, toolbox) as it:
        message = await it.say("first")
        (waiting,) = await it.approvals()
        for patterns in ({"path": "other/*"}, {"paths": "*"}):
            with pytest.raises(BadInput, match="does not cover this very call"):
                await it.bridge.approve_call(BOB, waiting.id, remember="always", remember_arguments=patterns)
        with pytest.raises(BadInput, match="`once` remembers nothing"):
            await it.bridge.approve_call(BOB, waiting.id, remember_arguments={"path": "safe/*"})
        made = await it.bridge.approve_call(
            BOB, waiting.id, remember="conversation", remember_arguments={"path": "safe/*"}, remember_s=3600
        )
        await done(it, message)
        message = await it.say("second")
        climbing, other = await it.approvals(2)
        assert '"safe/../c"' in climbing.arguments
        assert '"d"' in other.arguments
        (grant,) = await it.bridge.list_grants(OWNER)
        assert (grant.id, grant.conversation, grant.arguments) == (made.grant, HERE, (("path", "safe/*"),))
        assert grant.expires_at == grant.created_at + 3600
        await it.bridge.reject_calls(BOB, [climbing.id, other.id])
        await done(it, message)
    assert [given for _, given in toolbox.calls] == [{"path": "safe/a"}, {"path": "safe/b"}]


async def test_nobody_grants_more_than_they_may_touch(tmp_path: Path) -> None:
    limited = Principal("limited", "client", APPROVE, channels=frozenset({"local"}))
    one_chat = Principal("one", "client", APPROVE, conversations=frozenset({HERE}))
    model = FakeModel([deletes("a"), says("One."), deletes("b"), says("Two.")])
    async with world(tmp_path, model, files()) as it:
        for who, where in ((limited, "local"), (one_chat, HERE)):
            message = await it.say("go")
            (waiting,) = await it.approvals()
            made = await it.bridge.approve_call(who, waiting.id, remember="always")
            grant = next(each for each in await it.bridge.list_grants(OWNER) if each.id == made.grant)
            assert grant.conversation == where
            await it.bridge.revoke_grant(OWNER, grant.id)
            await done(it, message)
        assert len(await it.events("grant.revoked", 2)) == 2


# -- rules, routes, reminders --------------------------------------------------------------------------------


@pytest.mark.shows("approvals.rules")
async def test_rules_of_a_channel_hold_there_alone(tmp_path: Path) -> None:
    channels = {
        "local": ChannelRules("local", "assistant", tools=(ToolRule("files__*", {"confirmation": "never"}),)),
        "family": ChannelRules("family", "assistant"),
    }
    toolbox = files()
    model = FakeModel([deletes("a"), says("Done."), deletes("b")])
    async with world(tmp_path, model, toolbox, rules=rules_for(channels=channels)) as it:
        await it.store.access.pair(Pairing("family", "7"))
        await it.settled("go")
        await it.family.receive("go", chat="7", sender=ANN)
        (waiting,) = await it.approvals()
        assert waiting.conversation == "family/7"
    assert [given for _, given in toolbox.calls] == [{"path": "a"}]


@pytest.mark.shows("approvals.remind")
async def test_who_does_not_decide_is_reminded_and_then_others_are_asked(tmp_path: Path) -> None:
    rules = rules_for(remind_s=0.15, escalate_s=0.2, escalate_to="local/boss", expires_s=0)
    async with world(tmp_path, FakeModel([deletes("a\u202eb"), says("Done.")]), files(), rules=rules) as it:
        message = await it.say("delete it")
        (waiting,) = await it.approvals()
        told = await it.events("approval.reminded", 3)
        assert [(e.body["why"], e.body["to"]) for e in told] == [
            ("reminder", HERE), ("escalation", "local/boss"), ("reminder", "local/boss"),
        ]  # fmt: skip
        asked = (await it.texts("local/boss"))[0]
        assert f"/approve {waiting.id}" in asked
        assert "a<U+202E>b" in asked
        await it.bridge.approve_call(BOB, waiting.id)
        await done(it, message)
        log = [e.entry for e in await it.store.log.load(HERE)]
        numbers = [(e.why, e.number) for e in log if isinstance(e, Reminded)]
        assert len(numbers) == len(set(numbers))


async def test_a_reminder_that_was_cut_off_by_a_crash_is_not_said_twice(tmp_path: Path) -> None:
    rules = rules_for(remind_s=0.1)
    async with world(tmp_path, FakeModel([deletes("a")]), files(), rules=rules, engine=True) as it:
        await it.say("go")
        (waiting,) = await it.approvals()
        await it.events("approval.reminded", 1)
        it.engines.cancel()
        posted = [e.entry for e in await it.store.log.load(HERE) if isinstance(e.entry, Posted)]
        keys = [each.key for each in posted]
        assert len(keys) == len(set(keys))
        # The message is out and the fact is missing: as if the process had died between the two.
        (asked,) = [e.entry for e in await it.store.log.load(HERE) if isinstance(e.entry, Asked)]
        from bridge_mcp.core.entries import Call
        from bridge_mcp.core.steps import Remind
        from bridge_mcp.engine.outbound import reminders

        step = Remind(Call(asked.call, asked.tool, asked.arguments), asked, Reminded(asked.call, 1, "reminder"))
        before = len(await it.store.log.load(HERE))
        await reminders.send_reminder(it.store, it.bridge.traits, it.clock, HERE, step)
        assert len(await it.store.log.load(HERE)) == before
        assert waiting.status == "waiting"


@pytest.mark.shows("approvals.route")
async def test_with_the_route_agents_no_chat_can_decide(tmp_path: Path) -> None:
    async with world(
        tmp_path, FakeModel([deletes("a"), says("Done.")]), files(), rules=rules_for(route="agents")
    ) as it:
        await it.store.access.pair(Pairing("family", "7"))
        await it.store.access.pair(Pairing("family", "8", "approver"))
        await it.family.receive("go", chat="7", sender=ANN)
        (waiting,) = await it.approvals()
        assert waiting.places == ()
        await it.family.receive(f"/approve {waiting.id}", chat="7", sender=type(ANN)("8", "Bob"))
        assert "no approval" in (await it.events("message.queued", 1, "family/7"))[0].body["text"]  # pyright: ignore[reportOperatorIssue]
        await it.bridge.approve_call(SUPERVISOR, waiting.id)
        await it.events("turn.finished")


@pytest.mark.shows("approvals.separate")
@pytest.mark.parametrize("separate", [True, False])
async def test_whoever_started_a_turn_may_not_decide_if_the_owner_says_so(tmp_path: Path, separate: bool) -> None:
    starter = Principal("starter", "client", frozenset({"read", "send", "approve"}))
    model = FakeModel([deletes("a"), says("Done.")])
    async with world(tmp_path, model, files(), rules=rules_for(separate=separate)) as it:
        await it.bridge.run_turn(starter, HERE, "delete it")
        (waiting,) = await it.approvals()
        assert waiting.requested_by == "assistant for starter"
        if separate:
            with pytest.raises(Denied, match="asked for this call"):
                await it.bridge.approve_call(starter, waiting.id)
            with pytest.raises(Denied):
                await it.bridge.reject_call(starter, waiting.id)
            await it.bridge.approve_call(BOB, waiting.id)
        else:
            await it.bridge.approve_call(starter, waiting.id)


async def test_the_owners_own_turn_is_anothers_to_decide_if_the_owner_says_so(tmp_path: Path) -> None:
    model = FakeModel([deletes("a"), says("Done.")])
    async with world(tmp_path, model, files(), rules=rules_for(separate=True)) as it:
        await it.say("delete it")
        (waiting,) = await it.approvals()
        assert waiting.requested_by == "assistant for owner"
        with pytest.raises(Denied, match="owner asked for this call"):
            await it.bridge.approve_call(OWNER, waiting.id)
        await it.bridge.approve_call(BOB, waiting.id)


async def test_a_clients_own_call_is_decided_by_another_and_waits_for_as_many(tmp_path: Path) -> None:
    async with world(tmp_path, FakeModel(), files(), rules=rules_for(quorum=2, people=NAMED)) as it:
        who = Principal(HOST.name, "client", HOST.scopes, via="mcp")
        ticket = await it.bridge.call_tool(who, "files__delete", {"path": "a"}, idempotency_key="k")
        (approval,) = ticket.approvals
        with pytest.raises(Denied, match="host asked for this call"):
            await it.bridge.approve_call(who, approval)
        await it.bridge.approve_call(BOB, approval)
        await it.bridge.approve_call(CAROL, approval)
        done = await it.bridge.wait_for(who, ticket.id, timeout_s=10)
        assert (done.outcome, done.text) == ("ok", "deleted a")


@pytest.mark.shows("approvals.path")
async def test_every_verdict_tells_its_path(tmp_path: Path) -> None:
    async with world(tmp_path, FakeModel([deletes("a", "b"), says("Done.")]), files()) as it:
        message = await it.say("go")
        a, b = await it.approvals(2)
        await it.bridge.approve_call(BOB, a.id)
        await it.say(f"/reject {b.id} no")
        await done(it, message)
        log = [e.entry for e in await it.store.log.load(HERE)]
        assert [(e.by, e.via) for e in log if isinstance(e, Judged)] == [("bob", "mcp"), ("owner", "chat text")]
        assert (await it.store.approvals.get(a.id) or a).decided_via == "mcp"


# -- who can be reached --------------------------------------------------------------------------------------


async def warned(it: World, who: Principal = OWNER) -> list[str]:
    return [each for each in (await it.bridge.get_status(who)).warnings if "wait for a verdict" in each]


@pytest.mark.shows("approvals.nobody")
async def test_a_channel_whose_calls_would_wait_for_nobody_is_told_of(tmp_path: Path) -> None:
    async with world(tmp_path, FakeModel(), files(), prompts=True) as it:
        (told,) = await warned(it)
        assert told.startswith("Channel family: calls of files__delete")
        assert "pair add CODE --role approver" in told
        reader = Principal("reader", "client", frozenset({"read"}))
        elsewhere = Principal("elsewhere", "client", frozenset({"read"}), channels=frozenset({"local"}))
        assert (await warned(it, SUPERVISOR), await warned(it, reader), await warned(it, elsewhere)) == ([], [told], [])
        for subject, role in (("-5", "approver"), ("7", "user")):
            await it.store.access.pair(Pairing("family", subject, role))  # pyright: ignore[reportArgumentType]
        assert await warned(it) == [told], "neither a group nor a user decides"
        await it.store.access.pair(Pairing("family", "8", "approver"))
        assert await warned(it) == []
        await it.bridge.unpair_chat(OWNER, channel="family", chat="8")
        await it.bridge.add_client(OWNER, "helper", scopes=["approve"], channels=["local"])
        assert await warned(it) == [told], "a client that does not see the channel is nobody there"
        await it.bridge.add_client(OWNER, "watcher", scopes=["approve"])
        assert await warned(it) == []


@pytest.mark.shows("approvals.route")
@pytest.mark.parametrize(
    ("rules", "fine"),
    [
        ({"route": "local/boss"}, True),
        ({"route": "agents"}, False),
        ({"route": "family/9"}, False),
        ({"escalate_s": 5, "escalate_to": "local/boss"}, True),
        ({"confirmation": "never"}, True),
        ({"quorum": 2, "route": "local/boss"}, False),
    ],
)
async def test_a_route_reaches_somebody_or_not(tmp_path: Path, rules: dict[str, object], fine: bool) -> None:
    async with world(tmp_path, FakeModel(), files(), rules=rules_for(**rules), engine=True) as it:
        told = [each for each in await warned(it) if each.startswith("Channel family")]
        assert (told == []) == fine


async def test_a_chat_that_is_let_in_no_longer_is_asked_and_reminded_of_nothing(tmp_path: Path) -> None:
    rules = rules_for(route="family/9", remind_s=0.1, escalate_s=0.2, escalate_to="family/8", expires_s=0)
    async with world(tmp_path, FakeModel([deletes("a")]), files(), rules=rules, prompts=True) as it:
        await it.store.access.pair(Pairing("family", "9", "approver"))
        await it.say("go")
        (waiting,) = await it.approvals()
        await it.family.wait_for_sent(2)
        assert {each.chat for each in it.family.sent} == {"9"}
        await it.bridge.unpair_chat(OWNER, channel="family", chat="9")
        (escalated,) = [e for e in await it.events("approval.reminded", 3) if e.body["why"] == "escalation"]
        assert escalated.body["to"] == "", "it is told in the feed alone"
        sent = len(it.family.sent)
        await it.store.access.pair(Pairing("family", "8", "approver"))
        await it.family.wait_for_sent(sent + 1)
        assert {each.chat for each in it.family.sent[sent:]} == {"8"}, "whoever is let in again is told again"
        await it.bridge.approve_call(BOB, waiting.id)


async def test_a_prompt_and_its_escalation_in_one_chat_both_tell_how_it_ended(tmp_path: Path) -> None:
    rules = rules_for(route="family/9", escalate_s=0.1, escalate_to="family/9", expires_s=0)
    async with world(tmp_path, FakeModel([deletes("a"), says("Done.")]), files(), rules=rules, prompts=True) as it:
        await it.store.access.pair(Pairing("family", "9", "approver"))
        message = await it.say("go")
        (waiting,) = await it.approvals()
        await it.family.wait_for_sent(2)
        await it.bridge.approve_call(BOB, waiting.id)
        await done(it, message)
        ended: set[int] = set()
        with anyio.fail_after(5):
            while len(ended) < 2:
                log = [e.entry for e in await it.store.log.load("family/9")]
                ended = {e.message for e in log if isinstance(e, Revised) and "Approved by" in e.text}
                await anyio.sleep(0.01)


async def test_whoever_asks_by_a_reminder_is_known_as_who_asked(tmp_path: Path) -> None:
    """A turn that the bridge begins is in the name of those in whose turn the assistant wanted it."""
    starter = Principal("starter", "client", frozenset({"read", "send", "approve"}))
    rules = rules_for(separate=True)
    async with world(tmp_path, FakeModel([deletes("a"), says("Done.")]), files(), rules=rules) as it:
        wanted = Scheduled(HERE, "delete it", 0.0, call="0.0", asked_by=("starter",))
        await it.store.log.record("calls/bridge.00", wanted)
        (waiting,) = await it.approvals()
        assert waiting.requested_by == "assistant for starter"
        with pytest.raises(Denied, match="asked for this call"):
            await it.bridge.approve_call(starter, waiting.id)
        await it.bridge.approve_call(BOB, waiting.id)


@pytest.mark.parametrize("way", ["button", "text"])
async def test_whoever_asks_in_a_chat_may_not_decide_there_if_the_owner_says_so(tmp_path: Path, way: str) -> None:
    rules = rules_for(separate=True)
    async with world(tmp_path, FakeModel([deletes("a"), says("Done.")]), files(), rules=rules, prompts=True) as it:
        for subject in ("7", "8"):
            await it.store.access.pair(Pairing("family", subject, "approver"))
        await it.store.access.pair(Pairing("family", "-5"))
        await it.family.receive("go", chat="-5", sender=ANN, group=True)
        (prompt,) = await it.family.wait_for_sent(1)
        (waiting,) = await it.approvals()
        bob = Sender("8", "Bob")

        async def decides(who: Sender) -> str:
            if way == "button":
                return await it.family.press("1", prompt.buttons[0].token, chat="-5", sender=who)
            sent = len(it.family.sent)
            await it.family.receive(f"/approve {waiting.id}", chat="-5", sender=who, group=True)
            return (await it.family.wait_for_sent(sent + 1))[sent].text

        assert "asked for this call and may not decide it" in (await decides(ANN)).replace("\\", "")
        assert (await it.approvals())[0].status == "waiting"
        assert "Approved: files" in await decides(bob)
