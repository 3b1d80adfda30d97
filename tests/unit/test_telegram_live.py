"""Which positions of a live location are passed on, and when."""

from __future__ import annotations

from itertools import pairwise

from bridge_mcp.channels.telegram.receive.live_locations import FIRST_S, MAX_FOLLOWED, LiveLocations
from bridge_mcp.core.entries import Sender
from bridge_mcp.ports import Incoming


def at(place: str, key: str = "1", chat: str = "7") -> Incoming:
    return Incoming("tg", chat, key, sender=Sender("7", "Ann"), text=place, at=0.0, edit=place)


def test_the_first_move_is_soon_passed_on_and_the_later_ones_ever_more_seldom() -> None:
    live, passed = LiveLocations(), list[float]()
    live.begin(at("0"), 0.0)
    for second in range(1, 600):
        now = float(second)
        passed += [now for _ in live.release(now)]
        if not live.hold(at(str(second)), now):
            passed.append(now)
    assert passed[0] <= FIRST_S + 1
    assert len(passed) <= 15
    assert all(later - sooner <= 61 for sooner, later in pairwise(passed))


def test_the_last_position_is_kept_and_comes_when_its_time_has_come() -> None:
    live = LiveLocations()
    live.begin(at("0"), 0.0)
    assert live.hold(at("1"), 0.5)
    assert live.hold(at("2"), 1.0)
    assert live.next_due(1.0) == FIRST_S - 1.0
    assert live.release(1.5) == []
    assert [each.text for each in live.release(FIRST_S)] == ["2"]
    assert live.next_due(3.0) is None


def test_anything_else_from_its_chat_brings_it_along_and_no_other_chat_does() -> None:
    live = LiveLocations()
    for chat in ("7", "8"):
        live.begin(at("0", chat=chat), 0.0)
        assert live.hold(at("1", chat=chat), 0.5)
    assert [each.chat for each in live.release(0.6, "7")] == ["7"]


def test_what_is_remembered_is_bounded() -> None:
    live = LiveLocations()
    for number in range(MAX_FOLLOWED + 50):
        live.begin(at("0", key=str(number)), 0.0)
        assert live.hold(at("1", key=str(number)), 0.1)
    assert len(live.release(99.0)) <= MAX_FOLLOWED
