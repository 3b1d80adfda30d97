"""Commands as people spell them, and choices."""

from __future__ import annotations

import pytest

from bridge_mcp.core.choices import chosen
from bridge_mcp.operations import commands


@pytest.mark.shows("chats.spelling")
@pytest.mark.parametrize(
    "text",
    ["/stop", "/Stop", "/STOP", "/stop.", " /stop", "/stop\nplease", "／stop", "\u200b/stop", "/stop!", "/stop…"],
)
def test_a_command_in_any_spelling(text: str) -> None:
    assert commands.is_command(text)


@pytest.mark.parametrize(
    "text", ["stop", "please /stop", "/start@other_bot", "/etc/passwd", "/", "", "/frobnicate now"]
)
def test_what_is_no_command(text: str) -> None:
    assert not commands.is_command(text)


@pytest.mark.shows("chats.spelling")
@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("/stopp", "/stop"),
        ("/sotp", "/stop"),
        ("/ stop", "/stop"),
        ("\\stop", "/stop"),
        ("/aprove ap_0123456789abcdef", "/approve"),
        ("/statsu", "/status"),
        ("/frobnicate now", ""),
        ("/state of the art", ""),
        ("/start@other_bot", ""),
        ("/etc/passwd", ""),
        ("stop", ""),
    ],
)
def test_what_is_nearly_a_command_gets_a_hint(text: str, meant: str) -> None:
    assert commands.hint(text) == (f"There is no such command. Did you mean {meant}?" if meant else "")


@pytest.mark.parametrize("text", ["/foo", " /Foo.", "／frobnicate", "/a_b_c"])
def test_a_lone_word_with_a_slash_that_is_no_command_gets_a_hint(text: str) -> None:
    assert commands.unknown_command(text).startswith("There is no command /")


@pytest.mark.parametrize("text", ["/stop", "/etc/passwd", "/frobnicate now", "/foo@other_bot", "foo", "/", "/ж", "/s"])
def test_other_texts_get_none(text: str) -> None:
    assert commands.unknown_command(text) == ""


def test_a_bare_word_is_nearly_a_command_only_while_that_would_do_something() -> None:
    assert commands.hint("stop", ()) == ""
    assert "/stop" in commands.hint("Stop!", ("stop",))
    assert commands.hint("stop the music", ("stop",)) == ""


@pytest.mark.parametrize(
    ("said", "choice"),
    [("No", "No"), (" no.", "No"), ("NO", "No"), ("yes, PLEASE", "Yes, please"), ("maybe", None), ("No no", None)],
)
def test_a_choice_is_known_in_its_own_spelling(said: str, choice: str | None) -> None:
    assert chosen(("Yes, please", "No"), said) == choice


def test_between_two_choices_that_a_text_may_name_nothing_is_guessed() -> None:
    assert chosen(("no", "No"), "NO") is None
    assert chosen(("no", "No"), "No") == "No"
