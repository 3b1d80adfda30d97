"""What a chat platform brings beside plain messages: buttons, edits, groups, parts, files, chats that move."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from bridge_mcp.core.entries import Attachment, Button, Edited, Heard, Sender
from bridge_mcp.core.errors import BadInput, Denied, FetchFailed, NotFound, SendFailed, SendUncertain
from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import ChannelRules, Ignored, Incoming, ModelReply, Moved, Outgoing
from bridge_mcp.service import Fetched
from bridge_mcp.testing import FakeModel, FakeToolbox, calls, says
from tests.integration.setup import ANN, HOST, OWNER, SUPERVISOR, World, rules_for, world

RELAY = rules_for(channels={"local": ChannelRules("local", "relay"), "family": ChannelRules("family", "relay")})
BOB = Sender("8", "Bob")
CHAT = "family/7"


async def pair(it: World, subject: str = "7", role: str = "user") -> str:
    await it.bridge.pair_chat(OWNER, channel="family", chat=subject, role=role)  # pyright: ignore[reportArgumentType]
    return f"family/{subject}"


async def sent(it: World, count: int) -> Outgoing:
    return (await it.family.wait_for_sent(count))[-1]


async def edits(it: World, count: int) -> None:
    await it.family.until(lambda: len(it.family.edited) >= count)


def button(message: Outgoing, label: str) -> Button:
    return next(each for each in message.buttons if label in each.label)


# -- questions and buttons ----------------------------------------------------------------------------------


async def test_a_press_answers_a_question_once_and_the_message_says_so(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY) as it:
        await pair(it)
        ticket = await it.bridge.ask_user(HOST, CHAT, "Tea?", choices=["yes", "no"])
        asked = await sent(it, 1)
        assert len({each.token for each in asked.buttons}) == 2
        assert all(8 < len(each.token) < 64 for each in asked.buttons)
        assert await it.family.press("1", button(asked, "yes").token, chat="7", sender=ANN) == "yes"
        assert await it.family.press("1", button(asked, "no").token, chat="7", sender=ANN) == (
            "This question is no longer open."
        )
        done = await it.bridge.wait_for(HOST, ticket.id, timeout_s=5)
        assert (done.outcome, done.text) == ("answered", "yes")
        await edits(it, 1)
        (edit,) = it.family.edited
        assert (edit.messages, edit.buttons) == (("1",), ())
        assert "✓ yes (Ann)" in edit.text


async def test_a_button_works_only_where_it_was_shown(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY) as it:
        await pair(it)
        await pair(it, "9")
        await it.bridge.send_message(HOST, CHAT, "Which?", buttons=["A"])
        token = button(await sent(it, 1), "A").token
        gone = "This button is no longer in use."
        assert await it.family.press("1", token, chat="9", sender=ANN) == gone, "another chat"
        assert await it.family.press("2", token, chat="7", sender=ANN) == gone, "another message"
        assert await it.family.press("1", "/approve ap_0123456789abcdef", chat="7", sender=ANN) == gone
        assert await it.family.press("1", "A", chat="7", sender=ANN) == gone, "a value is no token"
        stranger = await it.family.press("1", token, chat="66", sender=Sender("66"))
        assert stranger == "This button is not yours to press."
        assert await it.family.press("1", token, chat="7", sender=ANN) == "A"
        assert await it.family.press("1", token, chat="7", sender=ANN) == "A"
        assert await it.texts(CHAT) == ["Which?", "A"], "one press of each person"


# -- approvals in chats ---------------------------------------------------------------------------------------


def deletes(name: str) -> ModelReply:
    return calls(("files__delete", {"name": name}))


def tools() -> FakeToolbox:
    toolbox = FakeToolbox()

    @toolbox.tool("files__delete")
    async def delete(arguments: Mapping[str, JSON]) -> str:  # pyright: ignore[reportUnusedFunction]
        return f"{arguments.get('name', '?')} is gone"

    return toolbox


@pytest.mark.shows("approvals.in-chat")
async def test_an_approval_is_asked_in_the_chat_and_only_an_approver_decides(tmp_path: Path) -> None:
    toolbox = tools()
    model = FakeModel([deletes("a.txt"), says("Done.")])
    async with world(tmp_path, model, toolbox, prompts=True) as it:
        await pair(it, "-5")
        await pair(it, "8", "approver")
        await it.family.receive("delete it", chat="-5", sender=ANN, group=True)
        prompt = await sent(it, 1)
        assert "files__delete" in prompt.text
        assert '"a.txt"' in prompt.text
        refused = await it.family.press("1", button(prompt, "Approve").token, chat="-5", sender=ANN)
        assert "may not decide" in refused
        assert "approve" in refused
        assert toolbox.calls == []
        told = await it.family.press("1", button(prompt, "Approve").token, chat="-5", sender=BOB)
        assert told == "Approved: files__delete."
        assert (await sent(it, 2)).text == "Done."
        await edits(it, 1)
        assert it.family.edited[0].buttons == ()
        assert "Approved by family:8" in it.family.edited[0].text
        late = await it.family.press("1", button(prompt, "Reject").token, chat="-5", sender=BOB)
        assert "was approved by family:8" in late
        assert len(toolbox.calls) == 1


@pytest.mark.shows("approvals.who-decided")
async def test_a_prompt_tells_when_an_agent_was_faster_and_always_makes_a_grant(tmp_path: Path) -> None:
    model = FakeModel(
        [deletes("a"), says("One."), deletes("b"), says("Two."),
         deletes("c"), says("Three.")]
    )  # fmt: skip
    async with world(tmp_path, model, tools(), prompts=True) as it:
        await pair(it, "7", "approver")
        await it.family.receive("first", chat="7", sender=ANN)
        await sent(it, 1)
        (waiting,) = await it.approvals()
        await it.bridge.reject_call(SUPERVISOR, waiting.id, reason="not *today*")
        await edits(it, 1)
        assert "Rejected by supervisor: not \\*today\\*" in it.family.edited[0].text
        await sent(it, 2)  # else its answer may be one to both
        await it.family.receive("second", chat="7", sender=ANN)
        prompt = await sent(it, 3)
        told = await it.family.press("3", button(prompt, "Always").token, chat="7", sender=ANN)
        assert "grant 1" in told
        await sent(it, 4)
        await it.family.receive("third", chat="7", sender=ANN)
        assert (await sent(it, 5)).text == "Three.", "the grant let it run"


@pytest.mark.shows("approvals.long-arguments")
async def test_a_prompt_goes_where_the_owner_routes_it_and_long_arguments_go_as_a_file(tmp_path: Path) -> None:
    toolbox = tools()
    model = FakeModel([deletes("x" * 7000), says("Done.")])
    async with world(tmp_path, model, toolbox, rules=rules_for(route="family/9"), prompts=True) as it:
        await pair(it)
        await pair(it, "9", "approver")
        await it.family.receive("delete it", chat="7", sender=ANN)
        prompt = await sent(it, 1)
        assert prompt.chat == "9"
        assert "family/7" in prompt.text
        (file,) = prompt.uploads
        assert file.data is not None
        assert (
            file.data.decode() == f'{{"name":"{"x" * 7000}"}}'.replace('":"', '": "')
            or "x" * 7000 in file.data.decode()
        )
        owner = Sender("9", "Olga")
        assert await it.family.press("1", button(prompt, "Reject").token, chat="9", sender=owner) == (
            "Rejected: files__delete."
        )
        assert (await sent(it, 2)).chat == "7"
        assert toolbox.calls == []


@pytest.mark.shows("approvals.no-disguise")
@pytest.mark.shows("approvals.routes")
async def test_a_call_is_asked_in_several_places_and_each_tells_who_decided(tmp_path: Path) -> None:
    toolbox = tools()
    rules = rules_for(route="family/9", also_route=("family/8",))
    async with world(tmp_path, FakeModel([deletes("a"), says("Done.")]), toolbox, rules=rules, prompts=True) as it:
        await pair(it)
        await pair(it, "9", "approver")
        await pair(it, "8", "approver")
        await it.family.receive("delete it", chat="7", sender=ANN)
        prompts = await it.family.wait_for_sent(2)
        assert sorted(each.chat for each in prompts) == ["8", "9"]
        (second,) = [number for number, each in enumerate(prompts, 1) if each.chat == "8"]
        olga, token = Sender("8", "Olga"), button(prompts[second - 1], "Approve").token
        assert await it.family.press(str(second), token, chat="8", sender=olga) == "Approved: files__delete."
        told = await it.events("message.edited", 2)
        assert sorted(each.conversation for each in told) == ["family/8", "family/9"], "the first verdict closes all"
        assert all("Approved by" in str(each.body["text"]) for each in told)
        await it.family.wait_for_sent(3)
    assert toolbox.count("files__delete") == 1


async def test_markup_in_arguments_cannot_disguise_a_prompt(tmp_path: Path) -> None:
    trick = "```\n\n✅ Approved by owner\u202e\n\n```"
    model = FakeModel([deletes(trick), says("Done.")])
    async with world(tmp_path, model, tools(), prompts=True) as it:
        await pair(it)
        await it.family.receive("delete it", chat="7", sender=ANN)
        text = (await sent(it, 1)).text
        opened, inside, *_ = text.split("````")
        assert opened.startswith("🔐 Approve this call?")
        assert "✅ Approved by owner" in inside, "all of it stands inside the fence"
        assert "\u202e" not in text


async def test_a_prompt_is_asked_once_by_whoever_is_engine(tmp_path: Path) -> None:
    model = FakeModel([deletes("a"), says("Done.")])
    async with world(tmp_path, model, tools(), prompts=True) as it:
        await pair(it)
        await it.family.receive("delete it", chat="7", sender=ANN)
        await sent(it, 1)
    async with world(tmp_path, model, tools(), prompts=True) as it:
        (waiting,) = await it.approvals()
        await it.bridge.approve_call(SUPERVISOR, waiting.id)
        assert (await sent(it, 1)).text == "Done.", "no second prompt"
        await edits(it, 1)
        assert "Approved by supervisor" in it.family.edited[0].text


# -- edits, replies, groups, moves ----------------------------------------------------------------------------


async def test_an_edit_shows_in_the_message_and_wakes_nobody(tmp_path: Path) -> None:
    model = FakeModel([says("Meow."), says("Yes.")])
    async with world(tmp_path, model) as it:
        await pair(it)
        await it.family.receive("teh cat", chat="7", sender=ANN, key="m1")
        await sent(it, 1)
        await it.family.receive("the cat", chat="7", sender=ANN, key="m1", edit="e1")
        await it.family.receive("the dog", chat="7", sender=BOB, key="m1", edit="e2")
        await it.family.receive("nobody heard it", chat="7", sender=ANN, key="m0", edit="e1")
        assert await it.texts(CHAT) == ["the cat", "Meow."]
        await it.family.receive("right?", chat="7", sender=ANN, key="m9")
        await sent(it, 2)
        seen = [message.text for message in model.requests[-1].messages if message.role == "user"]
        assert seen[0] == "teh cat", "what a provider has cached stays as it was"
        assert "the cat" in seen[1]
        assert seen[-1].endswith("]\nright?")
        assert sum(isinstance(each.entry, Edited) for each in await it.store.log.load(CHAT)) == 1


async def test_replies_are_known_by_message_both_ways(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY) as it:
        await pair(it)
        await it.family.receive("hello", chat="7", sender=ANN, key="m1")
        first = f"{CHAT}#0"
        await it.bridge.send_message(HOST, CHAT, "hi", reply_to=first)
        assert (await sent(it, 1)).reply_to == "m1"
        await it.family.receive("thanks", chat="7", sender=ANN, key="m2", reply_to="1")
        page = await it.bridge.read_messages(OWNER, CHAT)
        assert page.messages[-1].reply_to == page.messages[1].id
        with pytest.raises(NotFound, match="no message"):
            await it.bridge.send_message(HOST, CHAT, "hi", reply_to=f"{CHAT}#99")


@pytest.mark.shows("chats.groups")
@pytest.mark.parametrize(
    ("mode", "addressed", "to"),
    [
        ("mention", True, "assistant"),
        ("mention", False, "off"),
        ("always", False, "assistant"),
        ("observe", True, "off"),
    ],
)
async def test_a_group_is_answered_as_the_owner_wants_it(tmp_path: Path, mode: str, addressed: bool, to: str) -> None:
    channels = {"local": ChannelRules("local"), "family": ChannelRules("family", "assistant", chats={"-5": mode})}  # pyright: ignore[reportArgumentType]
    async with world(tmp_path, FakeModel([says("Yes?")]), rules=rules_for(channels=channels)) as it:
        await pair(it, "-5")
        await it.family.receive("hm", chat="-5/3", sender=ANN, group=True, addressed=addressed)
        (heard,) = await it.store.log.load("family/-5/3", first=1)
        assert isinstance(heard.entry, Heard)
        assert heard.entry.to == to
        if to == "assistant":
            assert (await sent(it, 1)).chat == "-5/3", "a topic gets its answer"


async def test_a_paired_person_carries_nothing_into_a_group_of_strangers(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await pair(it, "7")
        assert "pair add" in await it.family.receive("hi", chat="-5", sender=ANN, group=True)
        assert await it.family.receive("psst", chat="-6", sender=ANN, group=True, addressed=False) == ""
        assert (await it.bridge.list_conversations(OWNER)).conversations == ()


@pytest.mark.shows("chats.moved")
async def test_a_chat_that_moves_keeps_its_conversation(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY) as it:
        conversation = await pair(it, "-5")
        await it.family.receive("before", chat="-5", sender=ANN, group=True)
        for _ in range(2):
            assert await it.family.arrives(Moved("family", "-5", "-1005", offset=4)) == ""
        await it.family.receive("after", chat="-1005", sender=ANN, group=True)
        assert await it.texts(conversation) == ["before", "after"]
        await it.bridge.send_message(HOST, conversation, "there?")
        assert (await sent(it, 1)).chat == "-1005"
        await it.family.arrives(Moved("family", "-1005", "-1006"))
        await it.family.receive("again", chat="-1006/8", sender=ANN, group=True)
        assert await it.texts(f"{conversation}/8") == ["again"]


async def test_the_place_in_the_stream_is_kept_with_what_came_in(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY) as it:
        await pair(it)
        inbox = it.bridge.intake
        assert await inbox.offset("family") is None
        for number, arrival in enumerate(
            (
                Incoming("family", "7", "m1", sender=ANN, text="hi", at=0.0, offset=10),
                Incoming("family", "7", "m2", sender=ANN, text="/whoami", at=0.0, offset=11),
                Incoming("family", "66", "m3", sender=Sender("66"), text="let me in", at=0.0, offset=12),
                Incoming("family", "7", "m1", sender=ANN, text="hi!", at=0.0, edit="1", offset=13),
                Incoming("family", "7", "m1", sender=ANN, text="hi", at=0.0, offset=14),
                Ignored("family", 15),
            ),
            start=10,
        ):
            await inbox.put(arrival)
            assert await inbox.offset("family") == number


async def test_a_command_that_a_crash_cut_short_is_answered_when_it_comes_again(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY) as it:
        await pair(it)
        await it.store.log.record(CHAT, Heard("/whoami", ANN, "m1", to="bridge"))
        for _ in range(2):
            await it.family.receive("/whoami", chat="7", sender=ANN, key="m1")
        await sent(it, 1)
        assert len(await it.texts(CHAT)) == 2


# -- going out ------------------------------------------------------------------------------------------------


@pytest.mark.shows("chats.parts")
async def test_a_long_message_goes_on_at_the_part_where_it_stopped(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY, part_size=3) as it:
        await pair(it)
        it.family.fail(SendFailed("flood", retry_after_s=0.01))
        assert (await it.bridge.send_message(HOST, CHAT, "aaabbbccc")).parts == ("1", "2", "3")
        assert [each.text for each in it.family.sent] == ["aaa", "bbb", "ccc"]
        assert len(it.family.attempts) == 4


@pytest.mark.shows("chats.parts")
async def test_parts_behind_an_uncertain_one_still_go_out(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY, part_size=3) as it:
        await pair(it)
        it.family.fail(SendUncertain("the connection broke"))
        answer = await it.bridge.send_message(HOST, CHAT, "aaabbbccc")
        assert (answer.status, answer.parts) == ("uncertain", ("", "1", "2"))
        assert [each.text for each in it.family.sent] == ["bbb", "ccc"]


async def test_what_a_dead_engine_was_sending_is_uncertain_and_the_rest_follows(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY, engine=False) as it:
        await pair(it)
        await it.bridge.send_message(HOST, CHAT, "aaabbbccc", wait_s=0, idempotency_key="k")
        await it.store.outbox.begin(CHAT, 0)
        await it.store.outbox.progress(CHAT, 0, 1, ("1",))
    async with world(tmp_path, rules=RELAY, part_size=3) as it:
        answer = await it.bridge.send_message(HOST, CHAT, "aaabbbccc", idempotency_key="k")
        assert (answer.status, answer.parts, answer.repeated) == ("uncertain", ("1", "", "1"), True)
        assert [each.text for each in it.family.sent] == ["ccc"]


async def test_messages_are_edited_and_reacted_to(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY) as it:
        await pair(it)
        await it.family.receive("hello", chat="7", sender=ANN, key="m1")
        first = await it.bridge.send_message(HOST, CHAT, "teh answer")
        done = await it.bridge.edit_message(HOST, first.message, "the answer", buttons=["Thanks"])
        assert done.status == "sent"
        (edit,) = it.family.edited
        assert (edit.chat, edit.messages, edit.text, edit.buttons[0].label) == ("7", ("1",), "the answer", "Thanks")
        assert await it.family.press("1", edit.buttons[0].token, chat="7", sender=ANN) == "Thanks"
        for emoji in ("👍", ""):
            assert (await it.bridge.react(HOST, f"{CHAT}#0", emoji)).status == "sent"
        assert [(each.message, each.emoji) for each in it.family.reacted] == [("m1", "👍"), ("m1", "")]
        assert await it.texts(CHAT) == ["hello", "the answer", "Thanks"]


@pytest.mark.shows("tools.edit-react")
async def test_nobody_edits_what_is_not_theirs(tmp_path: Path) -> None:
    model = FakeModel([deletes("a"), says("Done.")])
    async with world(tmp_path, model, tools(), prompts=True) as it:
        await pair(it)
        await it.family.receive("delete it", chat="7", sender=ANN)
        await sent(it, 1)
        page = await it.bridge.read_messages(OWNER, CHAT)
        theirs, prompt = (message.id for message in page.messages)
        for message in (theirs, prompt):
            with pytest.raises(Denied, match="was not sent by"):
                await it.bridge.edit_message(HOST, message, "Approve me!")
        with pytest.raises(NotFound):
            await it.bridge.edit_message(HOST, f"{CHAT}#99", "x")


@pytest.mark.shows("chats.outbox")
async def test_files_go_out_from_outbox_folders_alone(tmp_path: Path) -> None:
    box, secret = tmp_path / "box", tmp_path / "secret.txt"
    box.mkdir()
    secret.write_text("the key")
    (box / "a.png").write_bytes(b"png")
    (box / "link.txt").symlink_to(secret)
    async with world(tmp_path / "state", rules=rules_for(channels=RELAY.channels, outbox=(box,))) as it:
        await pair(it)
        await it.bridge.send_message(HOST, CHAT, "look", files=["a.png", str(box / "a.png")])
        message = await sent(it, 1)
        assert [(each.kind, each.mime, each.path) for each in message.uploads] == [
            ("image", "image/png", box / "a.png")
        ] * 2
        for refused in ("link.txt", str(secret), "../secret.txt", "no.txt", "~/.ssh/id_rsa", str(box)):
            with pytest.raises(BadInput, match="outbox folder"):
                await it.bridge.send_message(HOST, CHAT, "look", files=[refused])
        queued = await it.bridge.send_message(HOST, CHAT, "x", files=["a.png"], idempotency_key="again")
        assert queued.status == "sent"


@pytest.mark.shows("chats.outbox")
async def test_a_file_that_was_swapped_for_a_link_stays_here(tmp_path: Path) -> None:
    box, secret = tmp_path / "box", tmp_path / "secret.txt"
    box.mkdir()
    secret.write_text("the key")
    (box / "a.txt").write_text("fine")
    rules = rules_for(channels=RELAY.channels, outbox=(box,))
    async with world(tmp_path / "state", rules=rules, engine=False) as it:
        await pair(it)
        await it.bridge.send_message(HOST, CHAT, "look", files=["a.txt"], wait_s=0, idempotency_key="k")
    (box / "a.txt").unlink()
    (box / "a.txt").symlink_to(secret)
    async with world(tmp_path / "state", rules=rules) as it:
        (failed,) = await it.events("message.failed")
        assert "outbox folder" in str(failed.body["reason"])
        assert it.family.sent == []


async def test_files_that_came_in_are_fetched_and_passed_on(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY) as it:
        await pair(it)
        it.family.files["f1"] = b"bytes"
        file = Attachment("f1", "file", "text/plain", name="a.txt", size=5)
        await it.family.receive(
            "see", chat="7", sender=ANN, attachments=[Attachment("f1", "file", "text/plain", name="a.txt", size=5)]
        )
        message = f"{CHAT}#0"
        found = await it.bridge.fetch_attachment(HOST, message)
        assert found == Fetched(file, b"bytes")
        with pytest.raises(FetchFailed, match="larger"):
            await it.bridge.fetch_attachment(HOST, message, max_bytes=2)
        for wrong in ({"message": message, "index": 1}, {"message": f"{CHAT}#9"}):
            with pytest.raises(NotFound):
                await it.bridge.fetch_attachment(HOST, **wrong)  # pyright: ignore[reportArgumentType]
        await it.bridge.send_message(HOST, CHAT, "back to you", files=[f"{message}/0"])
        assert (await sent(it, 1)).uploads[0].ref == "f1", "the platform has it already"
        (event,) = await it.events("message.received")
        assert event.body["attachments"] == [{"kind": "file", "mime": "text/plain", "name": "a.txt", "size": 5}]


@pytest.mark.shows("chats.typing")
async def test_a_turn_that_takes_a_while_shows_in_the_chat(tmp_path: Path) -> None:
    release = anyio.Event()

    async def slowly(request: object) -> object:
        await release.wait()
        return says("At last.")

    async with world(tmp_path, FakeModel(slowly)) as it:  # pyright: ignore[reportArgumentType]
        await pair(it)
        await it.family.receive("hello", chat="7", sender=ANN)
        await it.family.until(lambda: bool(it.family.shown))
        assert it.family.shown[0][0] == "7"
        release.set()
        await sent(it, 1)
