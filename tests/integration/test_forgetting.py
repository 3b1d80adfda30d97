"""Forgetting: nothing of it is found in any file, the chain stands, and who did it is told; also over kills."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from bridge_mcp.core.codec import decode, encode
from bridge_mcp.core.entries import (
    ENTRY_TYPES,
    Asked,
    Attachment,
    Call,
    Delivered,
    Edited,
    Entry,
    Finished,
    Forgot,
    Heard,
    Judged,
    Posted,
    Replied,
    Requested,
    Scheduled,
    Sender,
    Started,
    Stopped,
    key,
)
from bridge_mcp.core.forgetting import redact_entry
from bridge_mcp.core.grants import Grant
from bridge_mcp.engine.forgetting import keep_forgetting, patience
from bridge_mcp.operations.clocks import Jumps
from bridge_mcp.operations.forgetting import Keepers, forget, go_on, retain
from bridge_mcp.ports import ChannelRules, FirstMessage, Pairing, PairingRequest, Rules, Store, ToForget
from bridge_mcp.stores.drafts import DraftFolder
from bridge_mcp.stores.files import FileFolder
from bridge_mcp.stores.sqlite import open_store, verify
from bridge_mcp.stores.sqlite.rebuild import rebuild
from bridge_mcp.testing import ManualClock
from tests.contract.store_kit import rows_of, turn, without_salt
from tests.unit.test_codec import PINNED

ZOE, BOB = Sender("7", "Zoe Markername"), Sender("8", "Bob Otherperson")
CHAT, GROUP, OWNER = "tg/7", "tg/-100", "tg/8"
WORDS = ("Markername", "secretword", "searchableword", "argumentword", "resultword", "captionword", "filename",
         "bytesword", "quotedword", "titleword", "draftword", "replyword", "noteword", "editedword", "reminderword",
         "postedword", "keyword-of-client", "platform-77", "strangerword", "telegram-file-ref")  # fmt: skip
"""What must not be found once Zoe is forgotten."""
ARGUMENTS = '{"path":"argumentword"}'
STAYS = ("Otherperson", "bobsword")
"""What is of somebody else."""


def keepers(folder: Path, store: Store, clock: ManualClock) -> Keepers:
    return Keepers(store, FileFolder(folder / "files"), DraftFolder(folder / "drafts"), clock)


async def fill(folder: Path, store: Store) -> None:
    """Zoe everywhere: her own chat with a call and its verdict, a group, a prompt in the owner's chat, all tables."""
    kept = await FileFolder(folder / "files").put(b"bytesword " * 100, mime="text/plain", name="filename.txt")
    shared = await FileFolder(folder / "files").put(b"bobsword in a file", mime="text/plain", name="bob.txt")
    photo = Attachment("telegram-file-ref", "image", "image/png", name="filename.png")
    for chat in (CHAT, GROUP):
        heard = Heard(
            "secretword searchableword captionword", ZOE, "m1", attachments=(kept, photo, shared), title="titleword"
        )
        await store.log.record(chat, heard)
        await store.log.intend(chat, 1, Started("model", turn=0))
        call = Call("1.0", "files__delete", ARGUMENTS)
        await store.log.answer(chat, 1, Replied("replyword", (call,), 1, turn=0))
        asked = Asked("1.0", "files", "files__delete", arguments=ARGUMENTS, digest="sha256:argumentword")
        await store.log.record(chat, asked)
        await store.log.record(chat, Judged("1.0", "approved", "tg:7", note="noteword"))
        begun = Started("tool", call="1.0", tool="files__delete", arguments=ARGUMENTS)
        await store.log.intend(chat, 5, begun)
        await store.log.record(chat, Finished("1.0", "ok", "resultword", attachments=(kept,)))
        await store.log.intend(chat, 7, Started("model", turn=0))
        await store.log.answer(chat, 7, Replied("replyword done", (), 7, turn=0), wake=None)
        await store.log.record(chat, Edited(0, "editedword", "m1 2"), Delivered(8, platform_ids=("platform-77",)))
    await store.log.record(CHAT, Posted("postedword", Sender("nova", "nova", "client"), "keyword-of-client"))
    await store.log.record(GROUP, Heard("bobsword", BOB, "m2", to="off", quote="quotedword", reply_to="m1"))
    await store.log.record(GROUP, Heard("more of bobsword", BOB, "m3", to="off", attachments=(shared,)))
    await turn(store, OWNER, "bobsword", "bobsword again")
    (asked,) = [each async for each in approvals_of(store, CHAT)]
    await store.log.record(OWNER, Posted("approve argumentword of Markername?", Sender("bridge"), f"prompt:{asked}"))
    await store.log.record("calls/bridge.abc", Scheduled(CHAT, "reminderword", 9e9, call="1.0", asked_by=("tg:7",)))
    await store.history.search("searchableword")
    await store.access.pair(Pairing("tg", "7", name="Zoe Markername", by="owner"))
    await store.access.request(PairingRequest("CODE", "tg", "7", name="Markername", at=1.0, expires_at=9e9), 10)
    await store.grants.add(
        Grant(0, "files__delete", CHAT, arguments=(("path", "argumentword"),), by="tg:7", created_at=1.0)
    )
    message = FirstMessage("tg", "7", "7", 1.0, bare="strangerword", heard=encode(Heard("strangerword", ZOE, "s")))
    await store.channel_state.keep_first_message(message, at_most=5)
    await store.channel_state.set_topic_title("tg", "7/3", "titleword", at_most=5)
    await store.channel_state.set_undelivered(CHAT, "secretword", at_most=5)
    drafts = DraftFolder(folder / "drafts")
    drafts.read(CHAT)
    drafts.put(CHAT, 1, "draftword")


async def approvals_of(store: Store, conversation: str):
    for each in await store.approvals.find(conversation=conversation):
        yield each.id


def found(folder: Path, words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Where these words stand, byte by byte, in any file of the folder, or in the name of one."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    spelled = [(word, encoded) for word in words for encoded in (word.encode(), word.encode("utf-16-le"))]
    return sorted(
        {
            (path.name, word)
            for path in files
            for word, encoded in spelled
            if encoded in path.read_bytes() + path.name.encode()
        }
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_000_000.0)


@pytest.mark.shows("keep.forget-person")
async def test_nothing_of_a_person_is_found_and_all_else_stays(tmp_path: Path, clock: ManualClock) -> None:
    store = await open_store(tmp_path / "bridge.db", clock=clock)
    await fill(tmp_path, store)
    assert {word for _, word in found(tmp_path, (*WORDS, *STAYS))} == {*WORDS, *STAYS}
    assert await forget(keepers(tmp_path, store, clock), ToForget("person", "tg/7", "owner"))
    assert [each.text for each in await store.history.search("searchableword")] == []
    assert [each.text for each in await store.history.search("bobsword", conversation=GROUP)] == [
        "more of bobsword",
        "bobsword",
    ]
    assert (await store.history.messages(CHAT))[0].text == "(forgotten)"
    assert await store.access.find("tg", "7") == ()
    assert await store.grants.active(clock.now()) == ()
    await store.close()
    check(tmp_path)
    assert {word for _, word in found(tmp_path, STAYS)} == set(STAYS)
    assert len(list((tmp_path / "files").glob("??/*"))) == 1, "the file that Bob sent too"


@pytest.mark.shows("keep.forget-person")
async def test_a_verdict_of_a_person_goes_from_every_log_with_or_without_others(
    tmp_path: Path, clock: ManualClock
) -> None:
    store = await open_store(tmp_path / "bridge.db", clock=clock)
    await turn(store, "tg/7", "hello", "hi")
    await store.log.record("calls/bridge.abc", Scheduled(GROUP, "reminderword", 9e9, call="1.0", asked_by=("tg:7",)))
    for log, by in (
        ("calls/gate_x.1", "tg:7"),
        ("dc/7", "tg:7"),
        ("tg/-100", "tg:8, tg:7"),
        ("calls/gate_x.2", "tg:77"),
    ):
        await store.log.record(log, Heard("bobsword", Sender("7", "Bob"), "m1", to="off"))
        call = Call("1.0", "files__delete", ARGUMENTS)
        await store.log.record(log, Requested((call,), by="nova"))
        await store.log.record(log, Asked("1.0", "files", "files__delete", arguments=ARGUMENTS, digest="d"))
        await store.log.record(log, Judged("1.0", "rejected", by, note=f"noteword in {log}"))
        await store.log.record(log, Finished("1.0", "denied", "no"))
    assert await forget(keepers(tmp_path, store, clock), ToForget("person", "tg/7", "owner"))
    judged = [each.entry for log in ("calls/gate_x.1", "dc/7", "tg/-100") for each in await store.log.load(log)]
    assert [(each.by, each.note) for each in judged if isinstance(each, Judged)] == [("", "")] * 3
    kept = [each.entry.by for each in await store.log.load("calls/gate_x.2") if isinstance(each.entry, Judged)]
    assert kept == ["tg:77"], "somebody else"
    assert (await store.history.messages("dc/7"))[0].text == "bobsword", "the 7 of another platform is somebody else"
    reminder = await store.log.load("calls/bridge.abc")
    assert isinstance(reminder[1].entry, Stopped), "and it does not ring any more"
    assert found(tmp_path, ("reminderword", "noteword in")) == [("bridge.db", "noteword in")], "of somebody else"
    await store.close()
    assert verify(tmp_path / "bridge.db") == ()


def check(folder: Path) -> None:
    """Nothing is found, the chain stands, and a rebuild agrees."""
    assert found(folder, WORDS) == []
    path = folder / "bridge.db"
    assert verify(path) == ()
    before = rows_of(path)
    assert rebuild(path, 1_000_000.0).skipped == []
    assert rows_of(path) == before
    assert verify(path) == ()
    assert found(folder, WORDS) == []


@pytest.mark.shows("keep.forget")
async def test_a_conversation_goes_while_another_process_has_the_store_open(tmp_path: Path, clock: ManualClock) -> None:
    store, other = [await open_store(tmp_path / "bridge.db", clock=clock) for _ in range(2)]
    await fill(tmp_path, store)
    await other.history.search("secretword")
    assert await forget(keepers(tmp_path, store, clock), ToForget("conversation", CHAT, "owner"))
    log = await other.log.load(CHAT)
    assert isinstance(log[-1].entry, Forgot)
    assert log[-1].entry.by == "owner"
    with closing(sqlite3.connect(tmp_path / "bridge.db")) as reading:
        bodies = "".join(body for (body,) in reading.execute("SELECT body FROM log WHERE conversation = 1"))
    assert not [word for word in WORDS if word in bodies]
    await other.log.record(CHAT, Heard("a new beginning", ZOE, "m1"))
    assert (await other.history.messages(CHAT))[-1].text == "a new beginning"
    await other.close()
    await store.close()
    assert verify(tmp_path / "bridge.db") == ()


@pytest.mark.shows("keep.forget")
async def test_what_ends_later_comes_without_content(tmp_path: Path, clock: ManualClock) -> None:
    store = await open_store(tmp_path / "bridge.db", clock=clock)
    await store.log.record(CHAT, Heard("secretword", ZOE, "m1"))
    await store.log.intend(CHAT, 1, Started("model", turn=0))
    await store.log.answer(CHAT, 1, Replied("", (Call("1.0", "files__read", ARGUMENTS),), 1, turn=0))
    await store.log.intend(CHAT, 3, Started("tool", call="1.0", tool="files__read", arguments=ARGUMENTS))
    await forget(keepers(tmp_path, store, clock), ToForget("conversation", CHAT, "owner"))
    await store.log.record(CHAT, Finished("1.0", "ok", "resultword", structured='"resultword"'))
    assert await store.log.answer(CHAT, 1, Replied("replyword", (), 1, turn=0)) is None
    await store.close()
    assert found(tmp_path, WORDS) == []
    assert verify(tmp_path / "bridge.db") == ()


KILLED = """
import asyncio, os, random, shutil, signal, sys, traceback
from pathlib import Path
from bridge_mcp.operations.forgetting import forget
from bridge_mcp.ports import ToForget
from bridge_mcp.stores.sqlite import open_store, session
from bridge_mcp.testing import ManualClock
from tests.integration.test_forgetting import keepers
count, dies = {"end": 0, "statement": 0}, ("", 0)
def point(kind):
    count[kind] += 1
    if dies == (kind, count[kind]):
        os.kill(os.getpid(), signal.SIGKILL)
def around(of, name, kind):
    plain = getattr(of, name)
    def counted(*args, **more):
        point(kind)
        done = plain(*args, **more)
        point(kind)
        return done
    setattr(of, name, counted)
around(session.Session, "execute", "end")
around(Path, "unlink", "end")
around(session.Session, "_run", "statement")
async def main(folder):
    store = await open_store(folder / "bridge.db", clock=ManualClock(1_000_000.0))
    await forget(keepers(folder, store, ManualClock(1_000_000.0)), ToForget("person", "tg/7", "owner"))
    await store.close()
def forked(kind, number):
    global dies
    folder = base.with_name(f"{kind}{number}")
    shutil.copytree(base, folder)
    if not (child := os.fork()):
        dies = (kind, number)
        try:
            asyncio.run(main(folder))
            (folder / "count").write_text("{end} {statement}".format(**count))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1]) == (number > 0), (kind, number)
    return folder
base, dice = Path(sys.argv[1]), random.Random(15)
ends, statements = map(int, (forked("end", 0) / "count").read_text().split())
some = 3 if sys.argv[2] == "some" else ends
for kind, most, share in (("end", ends, some), ("statement", statements, max(1, some // 8))):
    for number in sorted(dice.sample(range(1, most + 1), share)):
        print(forked(kind, number), flush=True)
"""
"""Forgets in a process for each folder, and kills it before or after the end of a transaction or a file's removal.

That is all that can leave another state; kills at the statements in between are a sample. Forked, for an import takes
longer than the rest.
"""


@pytest.mark.shows("keep.forget-crash")
async def test_a_forgetting_that_is_killed_is_gone_on_with(tmp_path: Path, clock: ManualClock, full: bool) -> None:
    base = tmp_path / "base"
    base.mkdir()
    store = await open_store(base / "bridge.db", clock=clock)
    await fill(base, store)
    await store.close()
    folders = killed(base, "all" if full else "some")
    assert len(folders) > (60 if full else 3)
    for folder in folders:
        store = await open_store(folder / "bridge.db", clock=clock)
        assert await store.verify() == ()
        if await store.forgetting.noted():
            assert await go_on(keepers(folder, store, clock))
        else:
            assert await forget(keepers(folder, store, clock), ToForget("person", "tg/7", "owner"))
        assert await store.forgetting.noted() == ()
        await store.close()
        check(folder)
        shutil.rmtree(folder)


def killed(base: Path, share: str) -> list[Path]:
    """The copies of a state folder in which a forgetting was killed."""
    command = [sys.executable, "-c", KILLED, str(base), share]
    told = subprocess.run(command, check=True, timeout=300, stdout=subprocess.PIPE, text=True)
    return [Path(line) for line in told.stdout.split()]


@pytest.mark.shows("keep.forget-chain")
async def test_content_that_is_gone_without_a_word_is_found(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "bridge.db"
    store = await open_store(path, clock=clock)
    await turn(store, CHAT)
    await store.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        (body, salt) = connection.execute("SELECT body, salt FROM log WHERE seq = 0").fetchone()
        from bridge_mcp.core.hash_chain import content_digest

        empty = encode(redact_entry(decode(body), 0))
        connection.execute(
            "UPDATE log SET body = ?, key = 'heard:forgotten.0', salt = NULL, digest = ? WHERE seq = 0",
            (empty, content_digest(salt, body)),
        )
    assert any("its content is gone, and no entry says who" in line for line in verify(path))


@pytest.mark.shows("keep.forget-chain")
async def test_what_is_left_of_a_forgotten_entry_cannot_be_changed_unseen(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "bridge.db"
    store = await open_store(path, clock=clock)
    await turn(store, CHAT, "secretword", "replyword")
    await forget(keepers(tmp_path, store, clock), ToForget("conversation", CHAT, "owner"))
    await turn(store, CHAT, "later", "and its reply")
    await forget(keepers(tmp_path, store, clock), ToForget("conversation", CHAT, "owner"))
    await store.close()
    assert verify(path) == ()
    for seq in (0, 2):  # of the first time: the digest of the second one covers them too
        with closing(sqlite3.connect(path)) as connection, connection:
            (body,) = connection.execute("SELECT body FROM log WHERE seq = ?", (seq,)).fetchone()
            changed = body.replace('"(forgotten)"', '"somebody said so"')
            assert changed != body
            connection.execute("UPDATE log SET body = ? WHERE seq = ?", (changed, seq))
        assert any("a forgotten entry is not what was left of it" in line for line in verify(path))
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE log SET body = ? WHERE seq = ?", (body, seq))
    assert verify(path) == ()


@pytest.mark.shows("keep.forget-chain")
async def test_a_log_of_before_the_salt_is_forgotten_too(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "bridge.db"
    store = await open_store(path, clock=clock)
    await turn(store, CHAT, "secretword", "replyword")
    await store.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        without_salt(connection)
    assert verify(path) == ()
    store = await open_store(path, clock=clock)
    await forget(keepers(tmp_path, store, clock), ToForget("conversation", CHAT, "owner"))
    await store.close()
    assert verify(path) == ()
    assert found(tmp_path, WORDS) == []


@pytest.mark.shows("keep.retention")
async def test_what_is_older_than_its_channel_keeps_goes(tmp_path: Path, clock: ManualClock) -> None:
    store = await open_store(tmp_path / "bridge.db", clock=clock)
    await fill(tmp_path, store)
    await store.channel_state.clear_undelivered(CHAT)
    clock.advance(10 * 24 * 3600.0)
    await store.log.record("tg/8", Heard("bobsword of today", BOB, "new", to="off"))
    rules = Rules(channels={"tg": ChannelRules("tg", keep_days=7.0), "other": ChannelRules("other")})
    assert await retain(keepers(tmp_path, store, clock), rules) == 3
    assert await go_on(keepers(tmp_path, store, clock))
    assert await retain(keepers(tmp_path, store, clock), rules) == 0
    texts = [each.text for each in await store.history.messages("tg/8")]
    assert texts[-1] == "bobsword of today"
    assert set(texts[:-1]) == {"(forgotten)"}
    told = [each.entry for each in await store.log.load("tg/8") if isinstance(each.entry, Forgot)]
    assert {(each.by, each.why) for each in told} == {("retention", "retention")}
    await store.close()
    assert verify(tmp_path / "bridge.db") == ()
    assert found(tmp_path, ("secretword", "resultword", "replyword", "editedword", "postedword")) == []


DAY_S = 24 * 3600.0
NOW_S = 1_800_000_000.0


@pytest.mark.shows("keep.retention")
async def test_a_clock_that_was_set_ahead_makes_nothing_old(tmp_path: Path) -> None:
    wall, passed = ManualClock(NOW_S), [0.0]
    store = await open_store(tmp_path / "bridge.db", clock=wall)
    rules = Rules(channels={"tg": ChannelRules("tg", keep_days=7.0)})
    jumps = Jumps(wall, lambda: passed[0])

    def after(days: float, *, ahead: float = 0.0) -> None:
        passed[0] += days * DAY_S
        wall.advance((days + ahead) * DAY_S)
        jumps.look()

    async def texts() -> set[str]:
        return {each.text for each in await store.history.messages("tg/8")}

    await store.log.record("tg/8", Heard("before", BOB, "1", to="off"))
    after(1, ahead=400)
    await store.log.record("tg/8", Heard("after", BOB, "2", to="off"))
    assert await retain(keepers(tmp_path, store, wall), rules, jumps.old_before) == 0
    after(5.9)
    assert await retain(keepers(tmp_path, store, wall), rules, jumps.old_before) == 0
    assert await texts() == {"before", "after"}
    after(0.2)
    assert await retain(keepers(tmp_path, store, wall), rules, jumps.old_before) == 1
    assert await texts() == {"(forgotten)", "after"}
    after(1)
    await retain(keepers(tmp_path, store, wall), rules, jumps.old_before)
    assert await texts() == {"(forgotten)"}
    await store.close()


def test_a_clock_that_had_never_been_set_is_no_measure() -> None:
    wall, passed = ManualClock(5.0), [0.0]
    jumps = Jumps(wall, lambda: passed[0])
    wall.advance(NOW_S)
    jumps.look()
    assert jumps.old_before(NOW_S - 7 * DAY_S) == NOW_S - 7 * DAY_S


@pytest.mark.shows("keep.retention")
async def test_the_engine_forgets_nothing_for_its_age_before_its_clock_has_settled(tmp_path: Path) -> None:
    wall = ManualClock(NOW_S)
    store = await open_store(tmp_path / "bridge.db", clock=wall)
    await store.log.record("tg/8", Heard("old", BOB, "1", to="off"))
    wall.advance(10 * DAY_S)
    rules = Rules(channels={"tg": ChannelRules("tg", keep_days=7.0)})

    async def look(*elapsed: float) -> set[str]:
        """What the lane's first look leaves, where so much time has passed at the start and then."""
        times = iter(elapsed)
        with anyio.move_on_after(0.3):
            await keep_forgetting(keepers(tmp_path, store, wall), rules, Jumps(wall, lambda: 0.0), lambda: next(times))
        return {each.text for each in await store.history.messages("tg/8")}

    assert await look(0.0, 299.0) == {"old"}
    assert await look(0.0, 300.0, 300.0) == {"(forgotten)"}
    assert patience(0.0, wall.now()) == patience(wall.now() - DAY_S, wall.now()) == 300.0
    assert patience(wall.now() - 31 * DAY_S, wall.now()) == patience(wall.now() + 5.0, wall.now()) == 3600.0
    await store.close()


@pytest.mark.parametrize("entry", [entry for entry, _ in PINNED], ids=lambda entry: type(entry).__name__)
def test_an_emptied_entry_is_of_its_kind_and_can_be_written(entry: Entry) -> None:
    empty = redact_entry(entry, 5)
    assert type(empty) is type(entry)
    assert decode(encode(empty)) == empty
    assert redact_entry(empty, 5) == empty
    if isinstance(entry, Heard | Posted):
        assert key(empty) == f"{type(entry).__name__.lower()}:forgotten.5"
    if isinstance(entry, Stopped):
        assert empty == Stopped("", entry.upto, "", text="(forgotten)" if entry.text else "")
    assert set(ENTRY_TYPES) >= {type(empty)}
