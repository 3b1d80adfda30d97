"""A client takes a turn back: only what it wrote, and what was read with it, is stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from bridge_mcp.core.entries import Stopped, Withdrawn
from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import ModelReply, ModelRequest, OnText
from bridge_mcp.testing import FakeModel, FakeToolbox, calls, says
from tests.integration.setup import HOST, OWNER, World, rules_for, verify, world

pytestmark = pytest.mark.either_store

CHAT = "local/main"


class Held(FakeModel):
    """Answers what was said last, once it is let go."""

    def __init__(self) -> None:
        super().__init__(lambda request: says(f"re: {request.messages[-1].text}"))
        self.go = anyio.Event()
        self.seen: list[list[str]] = []
        self._asked = anyio.Condition()

    async def reply(self, request: ModelRequest, on_text: OnText | None = None) -> ModelReply:
        async with self._asked:
            self.seen.append([message.text for message in request.messages if message.role == "user"])
            self._asked.notify_all()
        await self.go.wait()
        return await super().reply(request, on_text)

    async def asked(self, count: int) -> None:
        """Wait until it was asked so many times."""
        with anyio.fail_after(10):
            async with self._asked:
                while len(self.seen) < count:
                    await self._asked.wait()


def with_delete() -> FakeToolbox:
    toolbox = FakeToolbox()

    @toolbox.tool("files__delete")
    async def delete(arguments: Mapping[str, JSON]) -> str:
        return "gone"

    return toolbox


async def outcome(it: World, message: str) -> tuple[str, str]:
    found = await it.bridge.wait_for(OWNER, f"turn:{message}", timeout_s=10)
    return found.outcome, found.text


async def test_what_a_person_wrote_meanwhile_is_answered(tmp_path: Path) -> None:
    model = Held()
    async with world(tmp_path, model) as it:
        turn = await it.bridge.run_turn(HOST, CHAT, "make a long report")
        await model.asked(1)
        person = await it.say("is dinner at seven?")
        assert await it.bridge.cancel_turn(HOST, turn.id)
        model.go.set()
        assert await outcome(it, person) == ("replied", "re: is dinner at seven?")
        assert (await it.bridge.wait_for(HOST, turn.id)).outcome == "cancelled"
        assert not await it.bridge.cancel_turn(HOST, turn.id)
    assert verify(tmp_path) == ()


async def test_what_a_person_wrote_before_is_answered_without_it(tmp_path: Path) -> None:
    """Both were read by the model call under way: it is made again, and does not hold what was taken back."""
    model = Held()
    async with world(tmp_path, model, engine=False) as it:
        person = await it.say("hello")
        turn = await it.bridge.run_turn(HOST, CHAT, "and now the report")
        async with it.engine_with(it.toolbox):
            await model.asked(1)
            assert "and now the report" in model.seen[0][0]
            assert await it.bridge.cancel_turn(HOST, turn.id)
            await model.asked(2)
            assert model.seen[1] == ["hello"]
            model.go.set()
            assert await outcome(it, person) == ("replied", "re: hello")
            assert (await it.bridge.wait_for(HOST, turn.id)).outcome == "cancelled"
    assert verify(tmp_path) == ()


async def test_a_message_that_joined_the_turn_of_another_leaves_it_alone(tmp_path: Path) -> None:
    """A person's turn waits for a verdict; a client's message joins it and is taken back."""
    toolbox = with_delete()
    model = FakeModel([calls(("files__delete", {"path": "a"})), says("It is gone.")])
    async with world(tmp_path, model, toolbox) as it:
        person = await it.say("delete it")
        (approval,) = await it.approvals()
        turn = await it.bridge.run_turn(HOST, CHAT, "hurry up")
        assert await it.bridge.cancel_turn(HOST, turn.id)
        await it.bridge.approve_call(OWNER, approval.id, digest=approval.digest)
        assert await outcome(it, person) == ("replied", "It is gone.")
        assert (await it.bridge.wait_for(HOST, turn.id)).outcome == "cancelled"
        assert "hurry up" not in [m.text for request in model.requests for m in request.messages]


@pytest.mark.parametrize("busy", ["queue", "join", "interrupt"])
async def test_a_message_in_the_line_is_taken_out_and_the_turn_before_it_goes_on(tmp_path: Path, busy: str) -> None:
    rules = rules_for()
    rules = replace(rules, channels={n: replace(c, while_busy=busy) for n, c in rules.channels.items()})
    model = Held()
    async with world(tmp_path, model, rules=rules) as it:
        person = await it.say("one")
        await model.asked(1)
        turn = await it.bridge.run_turn(HOST, CHAT, "two")
        if busy == "interrupt":
            await model.asked(2)
        assert await it.bridge.cancel_turn(HOST, turn.id)
        model.go.set()
        answered = await it.bridge.wait_for(OWNER, f"turn:{person}", timeout_s=10)
        # An interruption has stopped the first turn before the second message was taken back.
        assert answered.outcome == ("stopped" if busy == "interrupt" else "replied")
        assert (await it.bridge.wait_for(HOST, turn.id)).outcome == "cancelled"
        assert [type(e).__name__ for e in await what_ended(it)] == (
            ["Stopped", "Withdrawn", "Stopped"] if busy == "interrupt" else ["Withdrawn"]
        )


async def what_ended(it: World) -> list[Stopped | Withdrawn]:
    log = await it.bridge.read_log(OWNER, CHAT)
    return [e.entry for e in log if isinstance(e.entry, Stopped | Withdrawn)]


async def test_a_turn_that_was_read_is_stopped_and_what_came_behind_it_is_not(tmp_path: Path) -> None:
    """The client's turn waits for a verdict on its call while a person writes."""
    toolbox = with_delete()
    async with world(tmp_path, FakeModel([calls(("files__delete", {"path": "a"})), says("Hello.")]), toolbox) as it:
        turn = await it.bridge.run_turn(HOST, CHAT, "delete it")
        await it.approvals()
        person = await it.say("hello?")
        assert await it.bridge.cancel_turn(HOST, turn.id)
        assert await outcome(it, person) == ("replied", "Hello.")
        assert (await it.bridge.wait_for(HOST, turn.id)).outcome == "cancelled"
        assert await it.bridge.list_approvals(OWNER) == ()
        assert toolbox.count("files__delete") == 0
