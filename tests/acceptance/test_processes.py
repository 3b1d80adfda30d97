"""Many processes on one state folder: one is the engine, all are faces, and the engine's death costs nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from functools import partial

import anyio
import anyio.to_thread
import pytest

from tests.acceptance.parts import WAIT_S, Face, Home, face, stay

TAKEOVER_S = 2.0


async def engine_among(faces: Sequence[Face]) -> Face:
    """The face whose process is the engine."""
    with anyio.fail_after(WAIT_S):
        while True:
            for each in faces:
                if await each.is_engine():
                    return each
            await anyio.sleep(0.02)


@pytest.mark.shows("cli.one-state")
async def test_one_is_the_engine_and_the_other_works_as_a_face(home: Home) -> None:
    home.scripted()
    (home.work / "files" / "old.txt").write_text("x", "utf-8")
    async with face(home) as first, face(home) as second:
        await first.list_tools()
        await first.engine_pid()
        await second.list_tools()
        assert (await first.is_engine(), await second.is_engine()) == (True, False)
        assert await first.engine_pid() == await second.engine_pid()

        sent = await second.call("send_message", conversation="desk/main", text="from the face")
        assert sent["status"] == "sent"
        ticket = await second.call("run_turn", conversation="desk/main", text="hello", wait_s=20)
        assert ticket["state"] == "done"
        assert ticket["text"].startswith("echo: ")
        assert ticket["text"].endswith("hello")

        head = (await second.call("get_status"))["event_cursor"]
        open_ = await second.call("run_turn", conversation="desk/main", text="delete old.txt", wait_s=0)
        page = await second.call("wait_for_events", after=head, types=["approval.requested"], timeout_s=20)
        asked = page["events"][0]["body"]
        await second.call("approve_call", approval_id=asked["approval"], digest=asked["digest"])
        done = await second.call("wait_for", ticket=open_["id"], timeout_s=20)
        assert (done["state"], done["text"]) == ("done", "Deleted old.txt.")
        assert not (home.work / "files" / "old.txt").exists()
        page = await first.call("read_messages", conversation="desk/main")
        assert [m["text"] for m in page["messages"]] == [
            "from the face", "hello", ticket["text"], "delete old.txt", "Deleted old.txt.",
        ]  # fmt: skip


@pytest.mark.shows("cli.takeover")
async def test_when_the_engine_is_killed_another_takes_over_within_two_seconds(home: Home) -> None:
    home.scripted()
    async with face(home) as first, face(home) as second:
        await first.list_tools()
        killed = await first.engine_pid()
        await second.list_tools()
        await second.call("wait_for_events", timeout_s=1)  # long enough to have tried for the place, and to stand by
        assert not await second.is_engine()
        began = time.monotonic()
        os.kill(killed, signal.SIGKILL)
        # On a channel without tools: a nested server takes as long to start as it takes.
        ticket = await second.call("run_turn", conversation="plain/main", text="anybody there?", wait_s=20)
        took = time.monotonic() - began
        assert ticket["text"] == "echo: anybody there?"
        assert await second.is_engine()
        assert await second.engine_pid() != killed
        assert took < TAKEOVER_S, f"{took:.2f} s"


async def test_an_engine_that_was_killed_is_known_to_be_gone(home: Home) -> None:
    home.scripted()
    async with face(home) as only:
        await only.list_tools()
        killed = await only.engine_pid()
        assert home.json("status")["engine_pid"] == killed
        os.kill(killed, signal.SIGKILL)
    status = home.json("status")
    assert status["engine_pid"] is None
    assert f"process {killed}, was killed" in status["warnings"][0]
    assert "No engine is running" in home.run("say", "desk/main", "anybody there?")
    told = home.run("chat", stdin="hello again\n")
    assert "echo: " in told


async def test_when_the_engine_leaves_in_order_another_takes_over(home: Home) -> None:
    home.scripted()
    async with anyio.create_task_group() as tasks:
        first: Face = await tasks.start(partial(stay, home))
        gone = await first.engine_pid()
        async with face(home) as second:
            await second.list_tools()
            first.leave()
            assert await second.engine_pid(other_than=gone) != gone
            await second.becomes_engine()


@pytest.mark.shows("cli.chat")
def test_a_chat_in_a_terminal_is_its_own_engine(home: Home) -> None:
    home.scripted()
    told = home.run("chat", stdin="hello\n/whoami\n")
    assert "echo: hello" in told
    assert "You are owner, in desk/main" in told


@pytest.mark.shows("cli.chat")
async def test_a_chat_beside_an_engine_shows_approvals_and_decides_them(home: Home) -> None:
    home.scripted()
    (home.work / "files" / "old.txt").write_text("x", "utf-8")
    async with face(home) as host:
        await host.list_tools()
        pid = await host.engine_pid()
        chat = partial(anyio.to_thread.run_sync, abandon_on_cancel=True)
        told = await chat(partial(home.run, "chat", stdin="delete old.txt\n"))
        (waiting,) = (await host.call("list_approvals"))["approvals"]
        assert "files__delete_file" in told
        assert '"path": "old.txt"' in told
        assert waiting["digest"] in told
        assert f"/approve {waiting['id']}" in told
        told = await chat(partial(home.run, "chat", stdin=f"/approve {waiting['id']}\n"))
        assert "Approved: files__delete_file" in told
        assert "Deleted old.txt." in told
        assert await host.engine_pid() == pid, "the chat was a face"


@pytest.mark.shows("cli.decide")
async def test_approvals_are_decided_on_the_command_line(home: Home) -> None:
    home.scripted()
    for name in ("a.txt", "b.txt", "c.txt"):
        (home.work / "files" / name).write_text("x", "utf-8")
    command = partial(anyio.to_thread.run_sync, abandon_on_cancel=True)
    async with face(home) as host:
        await host.list_tools()
        for name in ("a.txt", "b.txt", "c.txt"):
            turn = {"conversation": f"desk/{name}", "text": f"delete {name}"}
            await host.call("run_turn", **turn, wait_s=0)
            waiting = {"after": 0, "types": ["approval.requested"], "conversation": f"desk/{name}"}
            assert (await host.call("wait_for_events", **waiting, timeout_s=20))["events"]
        listed = await command(partial(home.json, "approvals", "list"))
        ids = {each["conversation"].removeprefix("desk/"): each for each in listed}
        told = await command(partial(home.run, "approvals", "list"))
        for each in listed:
            assert each["digest"] in told
            assert '"path": ' in told
        approve = ("approvals", "approve", ids["a.txt"]["id"])
        wrong = partial(home.run, *approve, "--digest", "sha256:0", code=1)
        assert "digest" in await command(wrong)
        edited = partial(home.run, *approve, "--arguments", '{"path": "c.txt"}', "--note", "the other one")
        assert "approved" in await command(edited)
        assert "rejected" in await command(partial(home.run, "approvals", "reject", ids["b.txt"]["id"], "keep it"))
        remembered = ("approvals", "approve", ids["c.txt"]["id"], "--remember", "always")
        assert "approvals revoke 1" in await command(partial(home.run, *remembered))
        late = partial(home.run, "approvals", "approve", ids["b.txt"]["id"], code=1)
        assert "owner" in await command(late)
        for name in ("a.txt", "b.txt", "c.txt"):
            await host.call(
                "wait_for_events", after=0, types=["turn.finished"], conversation=f"desk/{name}", timeout_s=20
            )
        assert sorted(path.name for path in (home.work / "files").iterdir()) == ["a.txt", "b.txt"]
        assert "files__delete_file" in await command(partial(home.run, "approvals", "grants"))
        assert "revoked" in await command(partial(home.run, "approvals", "revoke", "1"))
        log = await command(partial(home.run, "log", "desk/a.txt", "--verify"))
        assert 'approved by owner (cli), edited to {"path":"c.txt"} sha256:' in log
        assert ": the other one" in log
        log = await command(partial(home.run, "log", "desk/b.txt"))
        assert f"rejected by owner (cli) {ids['b.txt']['digest']}: keep it" in log


# -- five processes, many deaths ----------------------------------------------------------------------------------

ROUNDS = 3
FULL_ROUNDS = 10
"""With the option `--full`."""
TALKS = 5


@pytest.mark.shows("cli.takeover")
@pytest.mark.slow
async def test_five_processes_and_deaths_of_the_engine_lose_nothing_and_repeat_nothing(home: Home, full: bool) -> None:
    home.scripted()
    rounds = FULL_ROUNDS if full else ROUNDS
    takeovers: list[float] = []
    async with anyio.create_task_group() as tasks:
        faces: list[Face] = [await tasks.start(partial(stay, home)) for _ in range(TALKS)]
        for round_ in range(rounds):
            engine = await engine_among(faces)
            killed = await engine.engine_pid()
            others = [each for each in faces if each is not engine]
            begun: list[str] = []
            async with anyio.create_task_group() as saying:
                for talk in range(TALKS):
                    saying.start_soon(say, others[talk % len(others)], talk, round_, begun)
            os.kill(killed, signal.SIGKILL)
            began = time.monotonic()
            await others[0].engine_pid(other_than=killed)
            takeovers.append(time.monotonic() - began)
            engine.leave()
            for ticket in begun:
                settled = await others[0].call("wait_for", ticket=ticket, timeout_s=30)
                assert settled["state"] == "done"
            faces = [*others, await tasks.start(partial(stay, home))]
        for talk in range(TALKS):
            await complete(faces[0], talk, rounds)
        for each in faces:
            each.leave()
    assert max(takeovers) < TAKEOVER_S, takeovers


async def say(here: Face, talk: int, round_: int, begun: list[str]) -> None:
    """Have a turn, and say it again as a client does whose answer got lost."""
    said = {"conversation": f"desk/{talk}", "text": f"{talk}.{round_}", "wait_s": 0}
    said["idempotency_key"] = f"{talk}.{round_}"
    first = await here.call("run_turn", **said)
    again = await here.call("run_turn", **said)
    assert again["id"] == first["id"]
    begun.append(first["id"])


async def complete(here: Face, talk: int, rounds: int) -> None:
    """Every message of a conversation is there once, and was answered once."""
    page = await here.call("read_messages", conversation=f"desk/{talk}", limit=200)
    texts = [message["text"] for message in page["messages"]]
    said = [f"{talk}.{round_}" for round_ in range(rounds)]
    assert [text for text in texts if not text.startswith("echo: ")] == said
    assert [text for text in texts if text.startswith("echo: ")] == [f"echo: {text}" for text in said]
