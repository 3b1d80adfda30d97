"""The whole bridge as a process between people on Telegram, a model, a nested server and the owner's command line."""

from __future__ import annotations

import re
import signal

import pytest

from tests.acceptance.parts import RULES, Home
from tests.acceptance.test_serving import running, until
from tests.servers.telegram import TelegramServer

TELEGRAM = """
[channels.family]
type = "telegram"
token_env = "FAMILY_TOKEN"
api_base_url = "{url}"
"""
WAIT_S = 30.0


def set_up(home: Home, server: TelegramServer, more: str = "") -> None:
    """A bot whose assistant echoes, without tools."""
    (home.config.parent / "rules.toml").write_text(RULES, "utf-8")
    model = '[models.default]\nmodel = "scripted"\nscript = "rules.toml"\n'
    home.write(model + TELEGRAM.format(url=server.url) + more)


async def test_a_stranger_is_let_in_and_answered_with_a_tool_and_a_button(home: Home) -> None:
    with TelegramServer() as server:
        home.scripted(TELEGRAM.format(url=server.url))
        (home.work / "files" / "plan.txt").write_text("x")
        ann = server.user("Ann")
        await ann.sends(ann.dm, "hello before anybody listened")
        with running(home, "serve", "--log-level", "debug", FAMILY_TOKEN=server.token) as process:
            (told,) = await ann.dm.bot_says(1, WAIT_S)
            code = re.search(r"\b[A-Z0-9]{8}\b", told.text)
            assert code is not None
            home.run("pair", "add", code[0], "--role", "approver", FAMILY_TOKEN=server.token)
            _, welcome, answer = await ann.dm.bot_says(3, WAIT_S)
            assert welcome.text.startswith("You are in.")
            assert answer.text == "echo: hello before anybody listened"
            await ann.sends(ann.dm, "/whoami")
            assert "approve" in (await ann.dm.bot_says(4, WAIT_S))[-1].text
            await ann.sends(ann.dm, "delete plan.txt")
            asked = (await ann.dm.bot_says(5, WAIT_S))[-1]
            assert "plan.txt" in asked.text
            assert (home.work / "files" / "plan.txt").exists()
            pressed = await ann.presses(asked, asked.labels[0])
            await pressed.answered(WAIT_S)
            assert "plan.txt" in (await ann.dm.bot_says(6, WAIT_S))[-1].text
            assert not (home.work / "files" / "plan.txt").exists()
            assert not [button for row in ann.dm.message(asked.message_id).buttons for button in row]
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
            assert process.stderr is not None
            log = process.stderr.read()
        assert server.token.partition(":")[2] not in log
        assert "Traceback" not in log


@pytest.mark.shows("chats.down")
async def test_what_came_while_it_was_down_is_answered(home: Home) -> None:
    with TelegramServer() as server:
        set_up(home, server)
        ann, bob = server.user("Ann"), server.user("Bob")
        for each in (ann, bob):
            home.run("pair", "add", "family", str(each.id), FAMILY_TOKEN=server.token)
        await ann.sends(ann.dm, "one")
        await bob.sends(bob.dm, "two")
        with running(home, "serve", FAMILY_TOKEN=server.token):
            await ann.dm.bot_says(1, WAIT_S)
            await bob.dm.bot_says(1, WAIT_S)
        assert [each.text for each in ann.dm.bot_messages + bob.dm.bot_messages] == ["echo: one", "echo: two"]


def test_a_wrong_token_is_told_once_and_the_rest_works(home: Home) -> None:
    with TelegramServer() as server:
        set_up(home, server)
        wrong = "7000000001:planted-other-token"
        with running(home, "serve", FAMILY_TOKEN=wrong) as process:
            line = until(process.stderr, r"channel family cannot work: .*")[0]
            assert "@BotFather" in line
            checked = home.run("check", code=1, FAMILY_TOKEN=wrong)
            assert "does not know this token" in checked
            status = home.run("status", FAMILY_TOKEN=wrong)
            assert "family" in status
            process.kill()
            assert process.stderr is not None
            rest = process.stderr.read()
        assert "planted" not in line + rest + checked + status
        assert "Traceback" not in rest
        assert len(server.requests) == 0, "a token of another bot gets no method"


@pytest.mark.parametrize("fine", [True, False])
def test_check_looks_at_the_bot(home: Home, fine: bool) -> None:
    with TelegramServer() as server:
        set_up(home, server, "" if fine else 'groups = "always"\n')
        told = home.run("check", code=0 if fine else 1, FAMILY_TOKEN=server.token)
        assert "@loopback_test_bot" in told
        assert ("/setprivacy" in told) is not fine


@pytest.mark.shows("approvals.nobody")
def test_check_and_status_warn_where_nobody_could_decide(home: Home) -> None:
    with TelegramServer() as server:
        home.scripted(TELEGRAM.format(url=server.url))
        warnings = [each for each in home.json("check", FAMILY_TOKEN=server.token) if each["warning"]]
        assert [(each["what"], each["fine"]) for each in warnings] == [("channel family", True)]
        assert "files__delete_file" in warnings[0]["told"]
        home.run("pair", "add", "family", "7", "--role", "approver", FAMILY_TOKEN=server.token)
        assert not any(each["warning"] for each in home.json("check", FAMILY_TOKEN=server.token))
