"""Sessions of the console, by a clock: how long a link and a session last, and what ends them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bridge_mcp.console.sessions import IDLE_S, LINK_S, LONGEST_S, MAX_OWN_SESSIONS, Sessions, Visitor
from bridge_mcp.core.policy import Principal
from bridge_mcp.ports import FaceSessions
from tests.contract.store_kit import SqlitePlace

ANN = Visitor(Principal("ann", "client", frozenset({"read"})), "hash-of-a-token")
OWNER = Visitor(Principal("owner", "owner", frozenset({"admin"})))


class Clock:
    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


class Tokens:
    """Which tokens are known."""

    def __init__(self) -> None:
        self.known = True

    async def __call__(self, visitor: Visitor) -> Visitor | None:
        return visitor if self.known else None


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncGenerator[FaceSessions]:
    store = await SqlitePlace(tmp_path).open()
    yield store.face_sessions
    await store.close()


@pytest.mark.shows("console.link")
async def test_a_link_works_once_and_for_a_minute(kept: FaceSessions) -> None:
    clock = Clock()
    sessions = Sessions(Tokens(), kept, clock)
    key = sessions.link(ANN)
    assert sessions.redeem(key) == ANN
    assert sessions.redeem(key) is None
    late = sessions.link(ANN)
    clock.at += LINK_S
    assert sessions.redeem(late) is None
    assert sessions.redeem("") is None


async def test_a_session_ends_idle_after_its_longest_time_and_with_its_token(kept: FaceSessions) -> None:
    clock, tokens = Clock(), Tokens()
    sessions = Sessions(tokens, kept, clock)
    value = await sessions.open(ANN)
    clock.at += IDLE_S - 1
    assert await sessions.find(value) is not None
    clock.at += IDLE_S - 1
    assert await sessions.find(value, touch=False) is not None
    clock.at += 1
    assert await sessions.find(value) is None

    value = await sessions.open(ANN)
    for _ in range(int(LONGEST_S / 1800) - 1):
        clock.at += 1800
        assert await sessions.find(value) is not None
    clock.at += 1800
    assert await sessions.find(value) is None

    value = await sessions.open(ANN)
    tokens.known = False
    assert await sessions.find(value) is None
    tokens.known = True
    assert await sessions.find(value) is None  # what has ended stays so

    value = await sessions.open(ANN)
    await sessions.close(value)
    assert await sessions.find(value) is None


@pytest.mark.shows("http.replicas")
async def test_every_process_knows_a_session_and_the_end_of_it(kept: FaceSessions) -> None:
    clock, tokens = Clock(), Tokens()
    one, other = (Sessions(tokens, kept, clock) for _ in range(2))
    value = await one.open(ANN)
    seen = await other.find(value)
    assert seen == await one.find(value)
    assert seen is not None
    assert (seen.who, seen.csrf in repr(seen), value in repr(seen)) == (ANN.principal, False, False)
    await other.close(value)
    assert await one.find(value) is None
    of_link = await one.open(OWNER)
    stays = await one.open(ANN)
    await one.close_links()
    assert await other.find(of_link) is None, "the owner's console is gone, and so is whoever came in by its link"
    assert await other.find(stays) is not None


async def test_a_client_that_signs_in_again_and_again_ends_its_own_sessions_alone(kept: FaceSessions) -> None:
    clock = Clock()
    sessions = Sessions(Tokens(), kept, clock)
    owner = await sessions.open(OWNER)
    of_ann: list[str] = []
    for _ in range(MAX_OWN_SESSIONS + 3):
        clock.at += 1
        of_ann.append(await sessions.open(ANN))
    assert await sessions.find(owner) is not None
    assert [await sessions.find(value) is not None for value in of_ann] == [False] * 3 + [True] * MAX_OWN_SESSIONS
