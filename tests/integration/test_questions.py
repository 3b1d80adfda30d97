"""Which question a message answers that replies to none: never one that is over, and never one of two by a guess."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bridge_mcp.core.entries import Heard, Posted, Question
from bridge_mcp.ports import ChannelRules
from tests.integration.setup import ANN, HOST, OWNER, World, rules_for, world

pytestmark = pytest.mark.either_store

CHAT = "local/main"
RELAY = rules_for(channels={name: ChannelRules(name, "relay") for name in ("local", "family")})
CHOICES = ("Tea", "Coffee")


class Jumpy:
    """A clock that can be put forward."""

    ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead


async def answered(it: World) -> list[tuple[str, int | None]]:
    log = await it.bridge.read_log(OWNER, CHAT)
    return [(e.entry.text, e.entry.answers) for e in log if isinstance(e.entry, Heard)]


async def test_a_question_that_has_expired_hides_none_that_is_open(tmp_path: Path) -> None:
    clock = Jumpy()
    async with world(tmp_path, rules=RELAY, clock=clock) as it:
        first = await it.bridge.ask_user(HOST, CHAT, "Where shall we eat?", expires_s=3600)
        later = [await it.bridge.ask_user(HOST, CHAT, f"Quick: {n}?", expires_s=30) for n in range(25)]
        clock.ahead = 60.0
        await it.say("At the Italian place")
        found = await it.bridge.wait_for(HOST, first.id)
        assert (found.outcome, found.text) == ("answered", "At the Italian place")
        assert {(await it.bridge.wait_for(HOST, each.id)).outcome for each in later} == {"expired"}


@pytest.mark.shows("chats.questions")
@pytest.mark.parametrize(
    ("questions", "said", "answers"),
    [
        ((), "hello", None),
        (((),), "at seven", 0),
        (((), ()), "at seven", None),
        ((CHOICES,), "tea", 0),
        ((CHOICES,), "something else", None),
        ((CHOICES, ("Pizza", "Pasta")), " pasta ", 1),
        ((CHOICES, CHOICES), "tea", None),
        ((CHOICES, ()), "tea", None),
        ((CHOICES, ()), "at seven", None),
        (((), CHOICES), "Tea", None),
    ],
)
async def test_a_message_answers_the_only_question_that_it_can_be_meant_for(
    tmp_path: Path, questions: tuple[tuple[str, ...], ...], said: str, answers: int | None
) -> None:
    async with world(tmp_path, rules=RELAY, engine=False) as it:
        for number, choices in enumerate(questions):
            await it.bridge.ask_user(HOST, CHAT, f"Question {number}?", choices=choices)
        await it.say(said)
        choices = questions[answers] if answers is not None else ()
        chosen = next((each for each in choices if each.casefold() == said.strip().casefold()), said)
        assert await answered(it) == [(chosen, answers)]


async def test_once_all_but_one_are_answered_the_next_message_is_for_that_one(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RELAY, engine=False) as it:
        where = await it.bridge.ask_user(HOST, CHAT, "Where?")
        when = await it.bridge.ask_user(HOST, CHAT, "When?")
        assert isinstance((await it.bridge.read_log(OWNER, CHAT))[0].entry, Posted)
        await it.say("here")
        reply = Heard("at home", ANN, "r", to="relay", answers=0)
        await it.store.log.record(CHAT, reply)
        await it.say("at seven")
        assert (await it.bridge.wait_for(HOST, where.id)).text == "at home"
        assert (await it.bridge.wait_for(HOST, when.id)).text == "at seven"
        assert await it.store.traces.answer(CHAT, 1) == 4
        assert await it.store.history.questions(CHAT, 0.0) == ()
        await it.store.log.record(CHAT, Posted("over", ANN, "k", question=Question(expires_at=5.0)))
        assert [m.text for m in await it.store.history.questions(CHAT, 4.0)] == ["over"]
        assert await it.store.history.questions(CHAT, 5.0) == ()
