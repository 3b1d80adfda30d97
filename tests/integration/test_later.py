"""Messages to be sent later, over restarts and clocks that are set; quiet hours, in which nothing makes a sound."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import anyio
import pytest

from bridge_mcp.core.call_steps import step_of_calls
from bridge_mcp.core.entries import Asked, Call, Heard, Log, Logged, Replied
from bridge_mcp.core.errors import BadInput, Denied, NotFound
from bridge_mcp.core.policy import Policy, Principal
from bridge_mcp.core.state import state_of
from bridge_mcp.core.steps import Judge, Remind, Wait
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.operations.later import cancel_of_gone
from bridge_mcp.ports import ChannelRules, Pairing, Rules
from bridge_mcp.ports.quiet import QuietHours
from tests.integration.setup import ANN, HOST, OWNER, World, open_store, rules_for, world

pytestmark = pytest.mark.either_store

CHAT = "family/9"
START = datetime(2026, 12, 1, 12, 0, tzinfo=UTC).timestamp()


class WallAndElapsed:
    """A wall clock that a test sets."""

    def __init__(self, at: float = START) -> None:
        self.at = at

    def now(self) -> float:
        return self.at


@asynccontextmanager
async def bridge(folder: Path, clock: WallAndElapsed, rules: Rules | None = None) -> AsyncGenerator[World]:
    async with world(folder, clock=clock, rules=rules) as it:
        await it.store.access.pair(Pairing("family", "9", name="Ann"))
        yield it


def texts(it: World) -> list[str]:
    return [each.text for each in it.family.sent]


async def sent(it: World, count: int = 1) -> list[str]:
    await it.family.wait_for_sent(count)
    return texts(it)


async def until(it: World, holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds of the store; looked at after each commit."""
    with anyio.fail_after(10), closing(it.store.agenda.watch()) as changes:
        while not await holds():
            await changes.wait(0.2)


@pytest.mark.shows("tools.send-later")
async def test_a_message_waits_for_its_time_over_a_restart_and_blocks_no_other(tmp_path: Path) -> None:
    clock = WallAndElapsed()
    async with bridge(tmp_path, clock) as it:
        later = await it.bridge.send_message(
            HOST, CHAT, "good morning", send_at="2026-12-02T09:00:00+01:00", idempotency_key="k", wait_s=0
        )
        assert later.status == "scheduled"
        again = await it.bridge.send_message(
            HOST, CHAT, "good morning", send_at="2026-12-02T08:00:00Z", idempotency_key="k", wait_s=0
        )
        assert (again.message, again.repeated) == (later.message, True)
        with pytest.raises(BadInput, match="used for another message"):
            await it.bridge.send_message(HOST, CHAT, "other", send_at="2026-12-02T08:00:00Z", idempotency_key="k")
        await it.bridge.send_message(HOST, CHAT, "at once")
        assert await sent(it) == ["at once"]
        (found,) = await it.bridge.scheduled_messages(HOST)
        assert (found.id, found.conversation, found.text, found.by) == (later.message, CHAT, "good morning", "host")
        assert found.send_at == datetime(2026, 12, 2, 8, 0, tzinfo=UTC).timestamp()
    clock.at = found.send_at + 1
    async with bridge(tmp_path, clock) as it:
        assert await sent(it) == ["good morning"]
        assert await it.bridge.scheduled_messages(HOST) == ()
        assert not await cancelled(it, found.id)
    async with bridge(tmp_path, clock) as it:
        await it.bridge.send_message(HOST, CHAT, "once")
        assert await sent(it) == ["once"], "it is sent once"


async def cancelled(it: World, id: str) -> bool:
    try:
        return await it.bridge.cancel_scheduled(HOST, id)
    except NotFound:
        return False


@pytest.mark.shows("tools.send-later")
async def test_a_clock_that_is_set_makes_it_neither_earlier_nor_later(tmp_path: Path) -> None:
    clock = WallAndElapsed()
    async with bridge(tmp_path, clock) as it:
        await it.bridge.send_message(HOST, CHAT, "at nine", send_at="2026-12-02T09:00:00Z", wait_s=0)
        due = datetime(2026, 12, 2, 9, tzinfo=UTC).timestamp()
        clock.at = START - 7200.0

        async def moved() -> bool:
            return (await it.store.agenda.next_due(0.0) or due) < due - 7000.0

        await until(it, moved)  # the engine has seen that the clock was set, and moves what waits
        clock.at = due - 3600.0

        async def rests() -> bool:
            return (await it.store.agenda.next_due(due - 3600.0) or 0.0) > due - 60.0  # this clock stands still

        await until(it, rests)  # it has looked too early, and waits for the time that was meant
        assert texts(it) == []
        clock.at = due + 1
        assert await sent(it) == ["at nine"]


@pytest.mark.shows("tools.send-later")
async def test_one_that_is_cancelled_is_not_sent_and_strangers_cannot_see_it(tmp_path: Path) -> None:
    clock = WallAndElapsed()
    elsewhere = Principal("other", "client", frozenset({"send"}), channels=frozenset({"local"}))
    async with bridge(tmp_path, clock) as it:
        later = await it.bridge.send_message(HOST, CHAT, "never", send_at="2026-12-02T09:00:00Z", wait_s=0)
        assert await it.bridge.scheduled_messages(elsewhere) == ()
        with pytest.raises(NotFound):
            await it.bridge.cancel_scheduled(elsewhere, later.message)
        with pytest.raises(Denied):
            await it.bridge.scheduled_messages(Principal("reader", "client", frozenset({"read"})))
        assert await it.bridge.cancel_scheduled(HOST, later.message)
        assert await it.bridge.scheduled_messages(OWNER) == ()
        clock.at += 48 * 3600
        await it.bridge.send_message(HOST, CHAT, "another")
        assert await sent(it) == ["another"]


@pytest.mark.shows("tools.send-later")
async def test_a_chat_that_is_let_in_no_more_gets_nothing(tmp_path: Path) -> None:
    clock = WallAndElapsed()
    async with bridge(tmp_path, clock) as it:
        later = await it.bridge.send_message(HOST, CHAT, "never", send_at="2026-12-02T09:00:00Z", wait_s=0)
        await it.store.access.unpair("family", "9")
    clock.at += 48 * 3600
    async with world(tmp_path, clock=clock) as it:

        async def over() -> bool:
            return not await it.bridge.scheduled_messages(OWNER)

        await until(it, over)
        assert texts(it) == []
        log = await it.store.log.load(f"calls/{later.message}")
        assert "not let in" in str(log[-1].entry)


@pytest.mark.shows("tools.bad-input")
@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("tomorrow", "is no time"),
        ("2026-12-02T09:00:00", "has no offset"),
        ("2026-11-30T09:00:00Z", "is over"),
        ("2028-12-02T09:00:00Z", "too far away"),
        ("9999-12-31T23:59:59-23:59", "is no time|too far"),
        ("0001-01-01T00:00:00+23:59", "is no time|is over"),
    ],
)
async def test_a_time_that_cannot_be_is_refused_and_nothing_is_sent(tmp_path: Path, at: str, told: str) -> None:
    async with bridge(tmp_path, WallAndElapsed()) as it:
        with pytest.raises(BadInput, match=told):
            await it.bridge.send_message(HOST, CHAT, "x", send_at=at)
        assert await it.bridge.scheduled_messages(HOST) == ()


# -- quiet hours ------------------------------------------------------------------------------------------------

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        ("22:00-07:00", "2026-12-01T23:00+01:00", "2026-12-02T07:00+01:00"),
        ("22:00-07:00", "2026-12-01T03:00+01:00", "2026-12-01T07:00+01:00"),
        ("22:00-07:00", "2026-12-01T07:00+01:00", ""),
        ("22:00-07:00", "2026-12-01T21:59+01:00", ""),
        ("13:00-14:30", "2026-06-01T13:00+02:00", "2026-06-01T14:30+02:00"),
        ("13:00-14:30", "2026-06-01T14:30+02:00", ""),
        ("22:00-07:00", "2026-03-28T23:00+01:00", "2026-03-29T07:00+02:00"),
        ("22:00-07:00", "2026-10-24T23:00+02:00", "2026-10-25T07:00+01:00"),
    ],
)
def test_quiet_hours_end_by_the_clocks_of_their_zone(hours: str, now: str, until: str) -> None:
    ends = QuietHours.of(hours, BERLIN).until(datetime.fromisoformat(now).timestamp())
    assert ends == (datetime.fromisoformat(until).timestamp() if until else 0.0)


@pytest.mark.parametrize("text", ["22:00", "22-7", "25:00-07:00", "07:00-07:00", "22:00-07:60", ""])
def test_hours_that_are_none_are_told_with_the_fix(text: str) -> None:
    with pytest.raises(BadInput, match="22:00-07:00"):
        QuietHours.of(text)


@pytest.mark.shows("chats.quiet")
async def test_in_quiet_hours_messages_make_no_sound(tmp_path: Path) -> None:
    clock = WallAndElapsed()
    quiet = ChannelRules("family", "off", quiet=QuietHours.of("11:00-13:00"))
    rules = rules_for(channels={"local": ChannelRules("local", "off"), "family": quiet})
    async with bridge(tmp_path, clock, rules) as it:
        await it.bridge.send_message(HOST, CHAT, "hush")
        clock.at += 2 * 3600
        await it.bridge.send_message(HOST, CHAT, "aloud")
        await sent(it, 2)
        assert [(each.text, each.silent) for each in it.family.sent] == [
            ("hush", True),
            ("aloud", False),
        ]


@pytest.mark.shows("chats.quiet")
def test_reminders_wait_for_the_end_of_quiet_hours_and_an_expiry_does_not() -> None:
    call = Call("1.0", "files__delete", "{}")
    asked = Asked("1.0", "files", "files__delete", arguments="{}", digest="d", expires_at=500.0, remind_s=50.0)
    entries = (Heard("x", ANN, "m"), Replied("", (call,), 1, turn=0, ref=0), asked)
    log: Log = tuple(Logged(seq, 100.0, entry) for seq, entry in enumerate(entries))
    spec = ToolSpec("files__delete", "files", "delete", description="", schema="{}")
    loud = Policy("family/9", tools={spec.name: spec})
    quiet = Policy("family/9", tools={spec.name: spec}, quiet={"family": 300.0})
    state = state_of(log)
    assert isinstance(step_of_calls(state, loud, 200.0, frozenset()), Remind)
    assert step_of_calls(state, quiet, 200.0, frozenset()) == Wait(300.0)
    assert isinstance(step_of_calls(state, quiet, 300.0, frozenset()), Remind)
    late = Policy("family/9", tools={spec.name: spec}, quiet={"family": 900.0})
    assert step_of_calls(state, late, 200.0, frozenset()) == Wait(500.0)
    assert isinstance(step_of_calls(state, late, 500.0, frozenset()), Judge)
    elsewhere = Policy("family/9", tools={spec.name: spec}, quiet={"desk": 900.0})
    assert isinstance(step_of_calls(state, elsewhere, 200.0, frozenset()), Remind)


@pytest.mark.shows("keep.restore")
async def test_what_was_to_be_sent_later_lapses_where_a_backup_is_restored(tmp_path: Path) -> None:
    from bridge_mcp.operations.restoring import bring_to_rest

    clock = WallAndElapsed()
    async with bridge(tmp_path, clock) as it:
        await it.bridge.send_message(HOST, CHAT, "never", send_at="2026-12-02T09:00:00Z", wait_s=0)
    store = await open_store(tmp_path, clock)
    assert (await bring_to_rest(store, clock)).reminders == 1
    await store.close()
    clock.at += 48 * 3600
    async with bridge(tmp_path, clock) as it:
        await it.bridge.send_message(HOST, CHAT, "new")
        assert await sent(it) == ["new"]


@pytest.mark.shows("tools.send-later")
async def test_what_a_revoked_client_wanted_to_send_is_not_sent(tmp_path: Path) -> None:
    clock = WallAndElapsed()
    async with bridge(tmp_path, clock) as it:
        added, _ = await it.bridge.add_client(OWNER, "stolen", scopes=("send",))
        for who in (added.principal, HOST):
            await it.bridge.send_message(who, CHAT, f"of {who.name}", send_at="2026-12-02T08:00:00Z")
        await it.bridge.revoke_client(OWNER, "stolen")
        (left,) = await it.bridge.scheduled_messages(HOST)
        assert left.by == "host"
        clock.at = datetime(2026, 12, 2, 9, 0, tzinfo=UTC).timestamp()
        await it.bridge.send_message(HOST, CHAT, "wakes the engine")
        assert sorted(await sent(it, 2)) == ["of host", "wakes the engine"]


@pytest.mark.shows("tools.send-later")
async def test_what_a_client_wanted_to_send_that_the_config_names_no_more_is_cancelled(tmp_path: Path) -> None:
    async with bridge(tmp_path, WallAndElapsed()) as it:
        await it.bridge.add_client(OWNER, "stored", scopes=("send",))
        for name in ("named", "moved", "stored", "oauth:ann", "embedded"):
            who = Principal(name, scopes=frozenset({"send"}))
            await it.bridge.send_message(who, CHAT, f"of {name}", send_at="2026-12-02T08:00:00Z")
        assert await cancel_of_gone(it.store, ["named", "moved", "oauth"]) == 0
        await it.bridge.add_client(OWNER, "moved", scopes=("send",))  # out of the config, into the store
        assert await cancel_of_gone(it.store, ["oauth"]) == 1
        assert await cancel_of_gone(it.store, ["oauth"]) == 0
        assert await cancel_of_gone(it.store, []) == 1
        left = {each.by for each in await it.bridge.scheduled_messages(OWNER)}
        assert left == {"moved", "stored", "embedded"}


async def test_a_client_without_read_sees_its_own_messages_alone(tmp_path: Path) -> None:
    async with bridge(tmp_path, WallAndElapsed()) as it:
        sender = Principal("sender", scopes=frozenset({"send"}))
        other = await it.bridge.send_message(HOST, CHAT, "a secret", send_at="2026-12-02T08:00:00Z")
        own = await it.bridge.send_message(sender, CHAT, "mine", send_at="2026-12-02T08:00:00Z")
        assert [each.id for each in await it.bridge.scheduled_messages(sender)] == [own.message]
        with pytest.raises(NotFound):
            await it.bridge.cancel_scheduled(sender, other.message)
        assert await it.bridge.cancel_scheduled(sender, own.message)
