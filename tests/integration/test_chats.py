"""Chats: who is let in, what goes out and how, questions, commands, events, scopes."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from bridge_mcp.core.entries import Sender
from bridge_mcp.core.errors import BadInput, Denied, NotFound, NotPaired, SendFailed, SendUncertain
from bridge_mcp.core.policy import Principal
from bridge_mcp.operations.access import MAX_REQUESTS
from bridge_mcp.ports import ChannelRules, Outgoing
from bridge_mcp.testing import FakeModel, ManualClock, says
from tests.integration.setup import ANN, HOST, OWNER, WallClock, World, rules_for, world

RELAY = rules_for(
    channels={"local": ChannelRules("local", "relay"), "family": ChannelRules("family", "relay")},
)


async def pair(it: World, subject: str = "42", role: str = "user") -> str:
    await it.bridge.pair_chat(OWNER, channel="family", chat=subject, role=role)  # pyright: ignore[reportArgumentType]
    return f"family/{subject}"


# -- the gate -----------------------------------------------------------------------------------------------


@pytest.mark.shows("chats.pairing")
async def test_a_stranger_gets_a_code_once_and_is_let_in_by_it(tmp_path: Path) -> None:
    async with world(tmp_path, FakeModel([says("Hello."), says("Hello again.")])) as it:
        told = await it.family.receive("hello", chat="42", sender=ANN)
        assert await it.family.receive("hello?", chat="42", sender=ANN) == "", (
            "the same code is not told again and again"
        )
        assert (await it.bridge.list_conversations(OWNER)).conversations == (), "a stranger has no conversation"
        pairings, (request,) = await it.bridge.list_pairings(OWNER)
        assert pairings == ()
        assert request.code in told
        await it.bridge.pair_chat(OWNER, code=request.code.lower())
        welcome, answer = await it.family.wait_for_sent(2)
        assert welcome.text.startswith("You are in.")
        assert (answer.chat, answer.text) == ("42", "Hello."), "what was written before is answered now"
        assert await it.family.receive("hello again", chat="42", sender=ANN) == ""
        assert (await it.family.wait_for_sent(3))[-1].text == "Hello again."
        assert (await it.bridge.list_pairings(OWNER))[1] == (), "a used code is closed"


async def asks(it: World, number: int) -> str:
    return await it.family.receive("hi", chat=str(number), sender=Sender(str(number)))


async def test_strangers_cannot_keep_a_newcomer_out_by_asking_first(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        for number in range(1, 4):
            assert await asks(it, number)
        told = await it.family.receive("it is me", chat="42", sender=ANN)
        (request,) = [each for each in (await it.bridge.list_pairings(OWNER))[1] if each.subject == "42"]
        assert request.code in told
        await it.bridge.pair_chat(OWNER, code=request.code)


async def test_a_crowd_of_strangers_gives_way_to_who_comes_later_and_is_told(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as it:
        assert not [each for each in (await it.bridge.get_status(OWNER)).warnings if "strangers" in each]
        told: list[str] = []
        for number in range(1, MAX_REQUESTS + 6):
            clock.advance(0.1)
            told.append(await asks(it, number))
        assert [bool(text) for text in told] == [True] * MAX_REQUESTS + [False] * 5, "no more codes at once"
        assert len((await it.bridge.list_pairings(OWNER))[1]) == MAX_REQUESTS
        assert [each for each in (await it.bridge.get_status(OWNER)).warnings if "strangers ask" in each]
        clock.advance(61)
        told_ann = await it.family.receive("it is me", chat="42", sender=ANN)
        requests = (await it.bridge.list_pairings(OWNER))[1]
        assert len(requests) == MAX_REQUESTS
        assert [each.subject for each in requests if each.code in told_ann] == ["42"]
        assert "1" not in [each.subject for each in requests], "the oldest gave way"
        assert await asks(it, 1), "and may ask again"


@pytest.mark.parametrize("text", ["/status", "/clear", "/tools", "/help", "/approve ap_0123456789abcdef"])
async def test_commands_stand_behind_the_same_gate(tmp_path: Path, text: str) -> None:
    """The origin answered strangers' commands; one of them stopped everybody's tool servers."""
    async with world(tmp_path) as it:
        told = await it.family.receive(text, chat="666", sender=Sender("666"))
        assert "does not know you" in told
        assert it.family.sent == []


async def test_a_wrong_code_lets_nobody_in(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.family.receive("hello", chat="42", sender=ANN)
        with pytest.raises(NotFound, match="no open code"):
            await it.bridge.pair_chat(OWNER, code="AAAAAAAA")


async def test_the_same_message_twice_is_one_message(tmp_path: Path) -> None:
    model = FakeModel([says("Once.")])
    async with world(tmp_path, model) as it:
        conversation = await pair(it)
        for _ in range(3):
            await it.family.receive("hello", chat="42", sender=ANN, key="update-1")
        await it.family.wait_for_sent(1)
        assert await it.texts(conversation) == ["hello", "Once."]
    model.finish()


async def test_a_member_of_a_paired_group_may_not_approve_by_that(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await pair(it, "-100", role="approver")
        await it.family.receive("/whoami", chat="-100", sender=ANN)
        (sent,) = await it.family.wait_for_sent(1)
        assert "family:7" in sent.text
        assert "approve" not in sent.text, "an approver is a person, never a whole group"


async def test_an_approver_is_named_by_their_own_id(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await pair(it, "7", role="approver")
        await it.family.receive("/whoami", chat="7", sender=ANN)
        (sent,) = await it.family.wait_for_sent(1)
        assert "approve" in sent.text


# -- sending ------------------------------------------------------------------------------------------------


async def test_a_message_goes_out_and_its_fate_is_told(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY) as it:
        conversation = await pair(it)
        sent = await it.bridge.send_message(HOST, conversation, "Dinner is ready.")
        assert (sent.status, sent.parts, sent.repeated) == ("sent", ("1",), False)
        (message,) = (await it.bridge.read_messages(HOST, conversation)).messages
        assert (message.id, message.status, message.author.id) == (sent.message, "sent", "host")


@pytest.mark.shows("chats.unpaired")
async def test_a_message_to_an_unpaired_chat_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY) as it:
        with pytest.raises(NotPaired, match="pair add family 42"):
            await it.bridge.send_message(HOST, "family/42", "hello")
        assert await it.store.log.load("family/42") == ()


@pytest.mark.shows("tools.idempotency")
async def test_the_same_key_sends_once(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY) as it:
        conversation = await pair(it)
        first = await it.bridge.send_message(HOST, conversation, "once", idempotency_key="k1")
        again = await it.bridge.send_message(HOST, conversation, "once", idempotency_key="k1")
        assert (again.message, again.repeated) == (first.message, True)
        with pytest.raises(BadInput, match="used for another message"):
            await it.bridge.send_message(HOST, conversation, "something else", idempotency_key="k1")
        assert len(it.family.sent) == 1
        local = [await it.bridge.send_message(HOST, "local/main", "x", idempotency_key="k1") for _ in range(2)]
        assert [sent.repeated for sent in local] == [False, True]


@pytest.mark.shows("chats.fates")
async def test_what_surely_did_not_go_out_is_sent_again_in_order(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY) as it:
        conversation = await pair(it)
        it.family.fail(SendFailed("slow down", retry_after_s=0.05))
        await it.bridge.send_message(HOST, conversation, "one", wait_s=0)
        await it.bridge.send_message(HOST, conversation, "two", wait_s=0)
        sent = await it.family.wait_for_sent(2)
        assert [message.text for message in sent] == ["one", "two"]


@pytest.mark.shows("chats.fates")
async def test_what_may_have_gone_out_is_uncertain_and_not_sent_again(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY) as it:
        conversation = await pair(it)
        it.family.fail(SendUncertain("the connection broke"))
        assert (await it.bridge.send_message(HOST, conversation, "once")).status == "uncertain"
        assert (await it.bridge.send_message(HOST, conversation, "next")).status == "sent"
        attempts = [each.text for each in it.family.attempts if isinstance(each, Outgoing)]
        assert attempts == ["once", "next"]


async def test_what_can_never_go_out_fails_with_the_reason(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY) as it:
        conversation = await pair(it)
        it.family.fail(SendFailed("Forbidden: bot was blocked by the user."))
        sent = await it.bridge.send_message(HOST, conversation, "hello")
        assert (sent.status, sent.reason) == ("failed", "Forbidden: bot was blocked by the user.")


async def test_what_a_dead_engine_was_sending_is_uncertain(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY) as it:
        conversation = await pair(it)
    async with world(tmp_path, rules=RELAY, engine=False) as it:
        sent = await it.bridge.send_message(HOST, conversation, "hello", wait_s=0)
        assert sent.status == "queued"
        assert (await it.bridge.get_status(HOST)).queued_messages == 1
        (queued,) = await it.store.outbox.due(WallClock().now(), 10)
        assert await it.store.outbox.begin(queued.conversation, queued.seq) is not None
    async with world(tmp_path, rules=RELAY) as it:
        await it.events("message.uncertain")
        assert it.family.attempts == []


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "empty"), ("x" * 1_000_000, "1,000,000 characters"), ("a\ud800b", "lone surrogate at character 1")],
)
async def test_a_text_that_cannot_be_sent_is_refused_with_the_reason(tmp_path: Path, text: str, told: str) -> None:
    async with world(tmp_path, rules=RELAY, engine=False) as it:
        with pytest.raises(BadInput, match=told) as caught:
            await it.bridge.send_message(HOST, "local/main", text)
        assert len(str(caught.value)) < 300
        assert await it.texts() == []


# -- questions ----------------------------------------------------------------------------------------------


@pytest.mark.shows("chats.questions")
async def test_the_next_message_answers_an_open_question_and_no_model_does(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        ticket = await it.bridge.ask_user(HOST, "local/main", "Which day?")
        assert ticket.state == "open"
        await it.say("Friday")
        done = await it.bridge.wait_for(HOST, ticket.id, timeout_s=5)
        assert (done.outcome, done.text) == ("answered", "Friday")


@pytest.mark.shows("chats.choices")
async def test_only_a_choice_answers_a_question_with_choices(tmp_path: Path) -> None:
    model = FakeModel([says("It means the big one.")])
    async with world(tmp_path, model) as it:
        ticket = await it.bridge.ask_user(HOST, "local/main", "Which size?", choices=["Small", "Large"])
        assert await it.settled("what does large mean?") == "It means the big one."
        await it.say("large")
        assert (await it.bridge.wait_for(HOST, ticket.id, timeout_s=5)).text == "Large"


async def test_a_question_that_nobody_answers_expires(tmp_path: Path) -> None:
    async with world(tmp_path, FakeModel([says("Too late.")])) as it:
        ticket = await it.bridge.ask_user(HOST, "local/main", "Still there?", expires_s=0.1)
        assert (await it.bridge.wait_for(HOST, ticket.id, timeout_s=5)).outcome == "expired"
        assert await it.settled("yes!") == "Too late."


# -- who answers --------------------------------------------------------------------------------------------


@pytest.mark.shows("tools.set-responder")
async def test_a_change_of_responder_wakes_no_old_message(tmp_path: Path) -> None:
    model = FakeModel([says("Only the new one.")])
    async with world(tmp_path, model, rules=RELAY) as it:
        await it.say("for the relay")
        assert await it.bridge.set_responder(HOST, "local/main", "assistant") == "assistant"
        assert await it.settled("for the assistant") == "Only the new one."
        assert await it.bridge.set_responder(HOST, "local/main", "default") == "relay"
        await it.say("for the relay again")
    model.finish()


async def test_a_turn_can_be_run_where_a_relay_answers(tmp_path: Path) -> None:
    async with world(tmp_path, FakeModel([says("42")]), rules=RELAY) as it:
        ticket = await it.bridge.run_turn(HOST, "local/main", "What is six times seven?", wait_s=10)
        assert (ticket.state, ticket.outcome, ticket.text) == ("done", "replied", "42")
        again = await it.bridge.run_turn(HOST, "local/main", "x", wait_s=0.01, idempotency_key="a")
        assert again.id != ticket.id


# -- events, search, scopes ---------------------------------------------------------------------------------


@pytest.mark.shows("tools.feed-once")
async def test_events_come_once_each_in_order_and_a_consumer_goes_on_where_it_acknowledged(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY, engine=False) as it:
        for n in range(5):
            await it.say(f"message {n}")
        page = await it.bridge.wait_for_events(HOST, after=0, consumer="me", limit=3)
        assert [event.body["text"] for event in page.events] == ["message 0", "message 1", "message 2"]
        again = await it.bridge.wait_for_events(HOST, consumer="me", limit=3)
        assert again.events == page.events, "nothing was acknowledged, so nothing is lost"
        rest = await it.bridge.wait_for_events(HOST, after=page.cursor, consumer="me")
        assert [event.body["text"] for event in rest.events] == ["message 3", "message 4"]
        assert (await it.bridge.wait_for_events(HOST, consumer="me")).events == rest.events
        with pytest.raises(BadInput, match=r"999"):
            await it.bridge.wait_for_events(HOST, after=999)


async def test_waiting_for_events_ends_with_the_first_one(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY, engine=False) as it, anyio.create_task_group() as tasks:
        with anyio.fail_after(5):
            tasks.start_soon(it.say, "here I am")
            page = await it.bridge.wait_for_events(HOST, after=0, types=("message.received",), timeout_s=50)
        assert page.events[0].body["text"] == "here I am"


async def test_a_denial_names_the_missing_scope(tmp_path: Path) -> None:
    reader = Principal("reader", "client", frozenset({"read"}))
    async with world(tmp_path, engine=False) as it:
        with pytest.raises(Denied, match="needs the scope 'send'; reader has: read"):
            await it.bridge.send_message(reader, "local/main", "hello")
        with pytest.raises(Denied, match="'admin'"):
            await it.bridge.list_pairings(HOST)


async def test_a_client_limited_to_a_channel_sees_no_other(tmp_path: Path) -> None:
    limited = Principal("limited", "client", HOST.scopes, channels=frozenset({"family"}))
    async with world(tmp_path, rules=RELAY, engine=False) as it:
        await it.say("a secret word")
        assert [channel.name for channel in await it.bridge.list_channels(limited)] == ["family"]
        assert (await it.bridge.list_conversations(limited)).conversations == ()
        assert await it.bridge.search_messages(limited, "secret") == ()
        assert (await it.bridge.wait_for_events(limited, after=0)).events == ()
        with pytest.raises(NotFound, match="no channel 'local'"):
            await it.bridge.read_messages(limited, "local/main")


async def test_commands_of_a_chat_answer_in_the_chat(tmp_path: Path) -> None:
    async with world(tmp_path, FakeModel([says("hello")])) as it:
        await it.settled("hi")
        for command in ("/help", "/status", "/tools", "/list", "/whoami", "/start"):
            await it.say(command)
        texts = await it.texts()
        assert "/clear - forget this chat's history" in texts[3]
        assert "answered by assistant" in texts[5]


@pytest.mark.shows("assistant.prompt-file")
async def test_a_system_prompt_is_read_again_when_its_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "prompt.md"
    file.write_text("Be kind.")
    channels = {"local": ChannelRules("local", "assistant", system_prompt_file=file, chat_context=False)}
    model = FakeModel([says("1"), says("2"), says("3")])
    async with world(tmp_path, model, rules=rules_for(channels=channels)) as it:
        await it.settled("one")
        file.write_text("Be brief.")
        await it.settled("two")
        file.write_bytes(b"\xff")
        await it.settled("three")
        assert [request.messages[0].text for request in model.requests] == ["Be kind.", "Be brief.", "Be brief."]
        with anyio.fail_after(10):
            while not (warned := (await it.bridge.get_status(OWNER)).warnings):
                await it.bridge.wait_for_events(OWNER, timeout_s=0.1)
        assert "not UTF-8" in warned[0]


async def test_reloading_is_for_admins_and_reaches_the_engine(tmp_path: Path) -> None:
    model = FakeModel([says("1"), says("2")])
    async with world(tmp_path, model) as it:
        conversation = await pair(it)
        await it.family.receive("/reload", chat="42", sender=ANN)
        (refused,) = await it.family.wait_for_sent(1)
        assert "admin" in refused.text
        assert it.reloads == 0
        await it.settled("one")
        assert "connected again" in await it.bridge.run_command(OWNER, "local/main", "/reload")
        with anyio.fail_after(10):
            while not it.reloads:
                await it.bridge.wait_for_events(OWNER, timeout_s=0.1)
        await it.settled("two")
        assert [message.text for message in model.requests[-1].messages][1:] == ["two"], "it begins afresh"
        assert conversation


@pytest.mark.shows("tools.feed-gap")
async def test_the_feed_forgets_its_oldest_events_and_says_so(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY, engine=False) as it:
        for number in range(30):
            await it.bridge.send_message(HOST, "local/main", f"{number}")
    async with world(tmp_path, rules=rules_for(channels=RELAY.channels, keep_events=10)) as it:
        with anyio.fail_after(10):
            while not (page := await it.bridge.wait_for_events(OWNER, after=0, timeout_s=0.1)).gap:
                pass
        assert len(page.events) == 10
        assert page.first_available == 21
        assert len((await it.bridge.read_messages(OWNER, "local/main")).messages) == 30
