"""Idempotency keys: what counts is the whole of what was logged first, whatever became of it since."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from bridge_mcp.core.errors import BadInput
from bridge_mcp.ports import ChannelRules, Pairing
from bridge_mcp.service import Bridge
from bridge_mcp.testing import FakeModel, says
from tests.integration.setup import HOST, World, rules_for, world

pytestmark = pytest.mark.either_store

CHAT = "family/1"
RELAY = rules_for(channels={name: ChannelRules(name, "relay") for name in ("local", "family")})

Act: TypeAlias = Callable[[Bridge], Awaitable[object]]


async def paired(it: World) -> World:
    await it.store.access.pair(Pairing("family", "1"))
    return it


async def test_a_question_that_was_answered_by_a_press_can_be_asked_again_under_its_key(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY, prompts=True) as it:
        await paired(it)

        async def ask() -> object:
            return await it.bridge.ask_user(
                HOST, CHAT, "Pizza or pasta?", choices=["Pizza", "Pasta"], idempotency_key="dinner"
            )

        first = await ask()
        assert await ask() == first
        (sent,) = await it.family.wait_for_sent(1)
        assert await it.family.press("1", sent.buttons[0].token) == "Pizza"
        again = await it.bridge.ask_user(
            HOST, CHAT, "Pizza or pasta?", choices=["Pizza", "Pasta"], idempotency_key="dinner"
        )
        assert (again.state, again.outcome, again.text) == ("done", "answered", "Pizza")


async def test_a_message_that_was_edited_since_is_still_the_one_of_its_key(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY) as it:
        await paired(it)
        sent = await it.bridge.send_message(HOST, CHAT, "at seven", buttons=["Yes"], idempotency_key="k")
        await it.bridge.edit_message(HOST, sent.message, "at eight", idempotency_key="e")
        again = await it.bridge.send_message(HOST, CHAT, "at seven", buttons=["Yes"], idempotency_key="k")
        assert (again.message, again.repeated) == (sent.message, True)
        assert (await it.bridge.edit_message(HOST, sent.message, "at eight", idempotency_key="e")).repeated


@pytest.mark.shows("tools.idempotency")
async def test_a_turn_whose_message_was_logged_can_be_asked_for_again(tmp_path: Path) -> None:
    async with world(tmp_path, FakeModel([says("Done.")])) as it:
        first = await it.bridge.run_turn(HOST, "local/main", "report", wait_s=5, idempotency_key="k")
        assert await it.bridge.run_turn(HOST, "local/main", "report", idempotency_key="k") == first


SEND = "hello"
OTHERS: dict[str, Act] = {
    "text": lambda b: b.send_message(HOST, CHAT, "bye", buttons=["A"], idempotency_key="k"),
    "buttons": lambda b: b.send_message(HOST, CHAT, SEND, buttons=["B"], idempotency_key="k"),
    "no buttons": lambda b: b.send_message(HOST, CHAT, SEND, idempotency_key="k"),
    "files": lambda b: b.send_message(HOST, CHAT, SEND, buttons=["A"], files=["x.txt"], idempotency_key="k"),
    "silent": lambda b: b.send_message(HOST, CHAT, SEND, buttons=["A"], silent=True, idempotency_key="k"),
    "reply": lambda b: b.send_message(HOST, CHAT, SEND, buttons=["A"], reply_to=f"{CHAT}#0", idempotency_key="k"),
    "a question": lambda b: b.ask_user(HOST, CHAT, SEND, choices=["A"], idempotency_key="k"),
    "choices": lambda b: b.ask_user(HOST, CHAT, "Which?", choices=["A", "C"], idempotency_key="q"),
    "expiry": lambda b: b.ask_user(HOST, CHAT, "Which?", choices=["A", "B"], expires_s=60, idempotency_key="q"),
    "no expiry": lambda b: b.ask_user(HOST, CHAT, "Which?", choices=["A", "B"], expires_s=0, idempotency_key="q"),
    "no question": lambda b: b.send_message(HOST, CHAT, "Which?", buttons=["A", "B"], idempotency_key="q"),
    "another message": lambda b: b.edit_message(HOST, f"{CHAT}#2", "x", idempotency_key="e"),
    "emoji": lambda b: b.react(HOST, f"{CHAT}#0", "👎", idempotency_key="r"),
    "reaction to another": lambda b: b.react(HOST, f"{CHAT}#1", "👍", idempotency_key="r"),
}


@pytest.mark.shows("tools.key-bound")
async def test_another_act_under_the_same_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.txt").write_text("x")
    rules = rules_for(channels=RELAY.channels, outbox=(tmp_path / "out",))
    async with world(tmp_path, rules=rules, engine=False) as it:
        await paired(it)
        sent = await it.bridge.send_message(HOST, CHAT, SEND, buttons=["A"], idempotency_key="k", wait_s=0)
        await it.bridge.ask_user(HOST, CHAT, "Which?", choices=["A", "B"], idempotency_key="q")
        other = await it.bridge.send_message(HOST, CHAT, "another one", wait_s=0)
        assert (sent.message, other.message) == (f"{CHAT}#0", f"{CHAT}#2")
        await it.bridge.edit_message(HOST, sent.message, "x", idempotency_key="e", wait_s=0)
        await it.bridge.react(HOST, sent.message, "👍", idempotency_key="r", wait_s=0)
        taken = [what for what, act in OTHERS.items() if not await refused(act(it.bridge))]
        assert taken == []


async def refused(act: Awaitable[object]) -> bool:
    try:
        await act
    except BadInput as exc:
        return "idempotency_key" in str(exc)
    return False
