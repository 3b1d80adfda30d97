"""Sessions of the console, by a clock: how long a link and a session last, and what ends them."""

from __future__ import annotations

import pytest

from bridge_mcp.console.sessions import IDLE_S, LINK_S, LONGEST_S, MAX_SESSIONS, Sessions, Visitor
from bridge_mcp.core.policy import Principal

ANN = Visitor(Principal("ann", "client", frozenset({"read"})), "hash-of-a-token")


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


@pytest.mark.shows("console.link")
def test_a_link_works_once_and_for_a_minute() -> None:
    clock = Clock()
    sessions = Sessions(Tokens(), clock)
    key = sessions.link(ANN)
    assert sessions.redeem(key) == ANN
    assert sessions.redeem(key) is None
    late = sessions.link(ANN)
    clock.at += LINK_S
    assert sessions.redeem(late) is None
    assert sessions.redeem("") is None


async def test_a_session_ends_idle_after_its_longest_time_and_with_its_token() -> None:
    clock, tokens = Clock(), Tokens()
    sessions = Sessions(tokens, clock)
    value = sessions.open(ANN)
    clock.at += IDLE_S - 1
    assert await sessions.find(value) is not None
    clock.at += IDLE_S - 1
    assert await sessions.find(value, touch=False) is not None
    clock.at += 1
    assert await sessions.find(value) is None

    value = sessions.open(ANN)
    for _ in range(int(LONGEST_S / 1800) - 1):
        clock.at += 1800
        assert await sessions.find(value) is not None
    clock.at += 1800
    assert await sessions.find(value) is None

    value = sessions.open(ANN)
    tokens.known = False
    assert await sessions.find(value) is None
    tokens.known = True
    assert await sessions.find(value) is None  # what has ended stays so

    value = sessions.open(ANN)
    sessions.close(value)
    assert await sessions.find(value) is None


async def test_a_client_that_signs_in_again_and_again_ends_its_own_sessions_alone() -> None:
    sessions = Sessions(Tokens(), Clock())
    owner = sessions.open(Visitor(Principal("owner", "owner", frozenset({"admin"}))))
    of_ann = [sessions.open(ANN) for _ in range(MAX_SESSIONS + 1)]
    assert await sessions.find(owner) is not None
    assert await sessions.find(of_ann[0]) is None
    assert await sessions.find(of_ann[-1]) is not None
    assert len([value for value in of_ann if await sessions.find(value) is not None]) == 32
